/** Other programs that speak MySQL's protocol: sysbench, PyMySQL and MariaDB Connector/J. */
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { fetchDebian } from './debian.ts';
import { libpqPackages } from './postgres-binaries.ts';

/** What to start, and the environment it needs beside the caller's own. */
export type FoundProgram = { readonly program: string; readonly env: Readonly<Record<string, string>> };

/** sysbench 1.0 with its Lua scripts by name (`oltp_read_only`...). With `--mysql-ssl=on` it reads cacert.pem, client-cert.pem and client-key.pem in the working folder. A text says why there is none. */
export function sysbench(): FoundProgram | string {
  const installed = '/usr/bin/sysbench';
  if (existsSync(installed)) return { program: installed, env: {} };
  const fetched = fetchDebian('sysbench', [...sysbenchPackages.split(' '), ...libpqPackages]);
  if (typeof fetched === 'string') return fetched;
  const [plugins = ''] = globSync('usr/lib/*/libmariadb3/plugin', { cwd: fetched.root });
  return {
    program: join(fetched.root, 'usr/bin/sysbench'),
    env: {
      LD_LIBRARY_PATH: fetched.libraryPath,
      MARIADB_PLUGIN_DIR: join(fetched.root, plugins),
      LUA_PATH: join(fetched.root, 'usr/share/sysbench/?.lua'),
    },
  };
}

/** With what it links beyond Debian's smallest installation. */
const sysbenchPackages = 'sysbench libmariadb3 libaio1 libluajit-5.1-2 libluajit-5.1-common';

/** A Python that can `import pymysql`. A text says why there is none. */
export function pymysql(): FoundProgram | string {
  const packages = 'usr/lib/python3/dist-packages';
  const python = findPython();
  if (typeof python === 'string') return python;
  if (python.program === systemPython && existsSync(join('/', packages, 'pymysql'))) return python;
  const fetched = fetchDebian('pymysql', ['python3-pymysql']);
  if (typeof fetched === 'string') return fetched;
  return { ...python, env: { ...python.env, PYTHONPATH: join(fetched.root, packages) } };
}

const systemPython = '/usr/bin/python3';

function findPython(): FoundProgram | string {
  if (existsSync(systemPython)) return { program: systemPython, env: {} };
  const fetched = fetchDebian('python-3.11', pythonPackages.split(' '));
  if (typeof fetched === 'string') return fetched;
  return {
    program: join(fetched.root, 'usr/bin/python3.11'),
    env: { PYTHONHOME: join(fetched.root, 'usr'), LD_LIBRARY_PATH: fetched.libraryPath },
  };
}

const pythonPackages =
  'python3.11 python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libexpat1 libssl3 libffi8 zlib1g libbz2-1.0 liblzma5';

export type JavaDriver = { readonly java: string; readonly jar: string };

/** MariaDB Connector/J 2.7 and a Java on PATH to run it with. A text says why there is none. */
export function mariadbConnectorJ(): JavaDriver | string {
  const java = (process.env['PATH'] ?? '')
    .split(':')
    .map((folder) => join(folder, 'java'))
    .find((file) => existsSync(file));
  if (java === undefined) return 'no java on PATH';
  const jar = '/usr/share/java/mariadb-java-client.jar';
  if (existsSync(jar)) return { java, jar };
  const fetched = fetchDebian('mariadb-java-client', ['libmariadb-java']);
  if (typeof fetched === 'string') return fetched;
  const [found] = globSync('usr/share/java/mariadb-java-client-*.jar', { cwd: fetched.root });
  return found === undefined ? 'the package libmariadb-java has no jar' : { java, jar: join(fetched.root, found) };
}
