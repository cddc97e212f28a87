import type { Outcome } from './command.ts';
import type { Format } from './format.ts';
import { print } from './format.ts';
import type { Io } from './io.ts';
import { programVersion } from '../service/program-version.ts';

/** The version of the program; asks nobody. */
export async function version(io: Io, program: string, options: { readonly format: Format }): Promise<Outcome> {
  const value = {
    program,
    version: programVersion(),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  };
  await print(
    io,
    options.format,
    value,
    () => `${program} ${value.version} (Node.js ${value.node}, ${value.platform})`,
  );
}
