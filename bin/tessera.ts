import { processIo } from '../src/cli/io.ts';
import { runTessera } from '../src/cli/tessera/program.ts';

process.exitCode = await runTessera(processIo(), process.argv.slice(2));
