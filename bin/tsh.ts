import { processIo } from '../src/cli/io.ts';
import { runTsh } from '../src/cli/tsh/program.ts';

process.exitCode = await runTsh(processIo(), process.argv.slice(2));
