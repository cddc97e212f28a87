/** A real SAML provider for tests: Debian's SimpleSAMLphp on PHP's own web server, on a loopback port. */
import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeSamlKeyPair } from '../../src/sso/saml/key-pair.ts';
import { fetchDebian, type Fetched } from './debian.ts';
import { freePort } from './postgres.ts';

const startTimeoutMs = 20_000;
/** With what they link beyond Debian's smallest installation. */
const packages =
  'simplesamlphp php8.2-cli php8.2-xml php8.2-mbstring php8.2-common php8.2-intl libargon2-1 libsodium23 libonig5 libxml2 libicu72 libpcre2-8-0 libssl3 zlib1g liblzma5 libstdc++6';
const extensions = 'dom mbstring simplexml xml xmlreader xmlwriter intl posix ctype tokenizer iconv fileinfo';

/** The program, or a text that says why there is none: the test then skips with it. */
export function simpleSamlPhp(): Fetched | string {
  return fetchDebian('simplesamlphp', packages.split(' '));
}

/** Who may sign in there, and what it says of them. */
export const people = {
  alice: { password: 'alicepass', email: 'alice@example.com', groups: ['dba', 'dev'] },
  bob: { password: 'bobpass', email: 'bob@example.com', groups: ['dev'] },
} as const;

export type SimpleSamlPhpOptions = {
  /** Our address for answers, and our name: the connector's `acs` and `service_provider_issuer` (or `acs` again). */
  readonly acs: string;
  readonly entityId: string;
  /** PEM; with it, unsigned requests and those of another key are refused. */
  readonly signingCertificate?: string;
  /** PEM; with it, assertions are encrypted: by RSA-OAEP and, as this version has nothing newer, AES-128-CBC. */
  readonly encryptionCertificate?: string;
  /** The response is signed beside the assertion; default true, as SimpleSAMLphp has it. */
  readonly signResponse?: boolean;
};

export type SimpleSamlPhp = {
  /** For `entity_descriptor_url`. */
  readonly metadataUrl: string;
  /** The same, for `entity_descriptor`. */
  readonly metadata: string;
  /** Where a sign-in begins at the provider. */
  readonly initiateUrl: string;
  /** What PHP and SimpleSAMLphp wrote. */
  log(): string;
  /** Stops and removes everything. */
  close(): Promise<void>;
};

/** Starts one for one service provider. The caller closes it. */
export async function startSimpleSamlPhp(options: SimpleSamlPhpOptions): Promise<SimpleSamlPhp> {
  const fetched = simpleSamlPhp();
  if (typeof fetched === 'string') throw new Error(fetched);
  const port = await freePort();
  const base = `http://127.0.0.1:${port}/`;
  const folder = mkdtempSync(join(tmpdir(), 'tessera-simplesamlphp-'));
  const home = join(fetched.root, 'usr/share/simplesamlphp');
  await writeConfiguration(folder, { base, home, root: fetched.root, options });
  let output = '';
  const child = spawn(
    join(fetched.root, 'usr/bin/php8.2'),
    ['-S', `127.0.0.1:${port}`, '-t', join(home, 'www'), join(folder, 'router.php')],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        LC_ALL: 'C.UTF-8',
        PATH: process.env['PATH'] ?? '',
        ...(fetched.libraryPath === '' ? {} : { LD_LIBRARY_PATH: fetched.libraryPath }),
        PHPRC: folder,
        PHP_INI_SCAN_DIR: folder,
        SIMPLESAMLPHP_CONFIG_DIR: join(folder, 'config'),
      },
    },
  );
  process.once('exit', () => child.kill('SIGKILL'));
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-20_000)));
  const log = (): string => `${output}\n${readIfThere(join(folder, 'log/simplesamlphp.log'))}`;
  const close = async (): Promise<void> => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  const metadataUrl = `${base}saml2/idp/metadata.php`;
  try {
    const metadata = await whenUp(metadataUrl, child, log);
    const query = new URLSearchParams({ spentityid: options.entityId });
    return { metadataUrl, metadata, initiateUrl: `${base}saml2/idp/SSOService.php?${query}`, log, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Place = {
  readonly base: string;
  readonly home: string;
  readonly root: string;
  readonly options: SimpleSamlPhpOptions;
};

async function writeConfiguration(folder: string, { base, home, root, options }: Place): Promise<void> {
  for (const name of ['config', 'metadata', 'cert', 'log', 'data', 'tmp', 'sessions']) mkdirSync(join(folder, name));
  cpSync(join(root, 'etc/simplesamlphp/attributemap'), join(folder, 'attributemap'), { recursive: true });
  const keys = await makeSamlKeyPair('simplesamlphp', Date.now());
  writeFileSync(join(folder, 'cert/idp.pem'), keys.private_key, { mode: 0o600 });
  writeFileSync(join(folder, 'cert/idp.crt'), keys.cert);
  const write = (name: string, body: string): void => writeFileSync(join(folder, name), `<?php\n${body}\n`);
  write('config/config.php', `$config = ${php(configuration(folder, base))};`);
  write('config/authsources.php', `$config = ${php(authSources())};`);
  write('metadata/saml20-idp-hosted.php', `$metadata['__DYNAMIC:1__'] = ${php(hosted(options))};`);
  write('metadata/saml20-sp-remote.php', `$metadata[${php(options.entityId)}] = ${php(remote(options))};`);
  write('router.php', router(join(home, 'www')));
  const extensionDir = join(root, 'usr/lib/php/20220829');
  const ini = [
    `extension_dir=${extensionDir}`,
    ...extensions.split(' ').map((name) => `extension=${name}.so`),
    'display_errors=0',
    'log_errors=1',
    `error_log=${join(folder, 'log/php.log')}`,
    // SimpleSAMLphp sends headers late; without a buffer the first warning makes a redirect loop.
    'output_buffering=65536',
    `session.save_path=${join(folder, 'sessions')}`,
  ];
  writeFileSync(join(folder, 'php.ini'), `${ini.join('\n')}\n`);
}

type Php = string | boolean | null | readonly Php[] | { readonly [key: string]: Php };

function configuration(folder: string, base: string): Php {
  return {
    baseurlpath: base,
    certdir: join(folder, 'cert/'),
    loggingdir: join(folder, 'log/'),
    datadir: join(folder, 'data/'),
    tempdir: join(folder, 'tmp'),
    metadatadir: join(folder, 'metadata/'),
    attributenamemapdir: join(folder, 'attributemap/'),
    'metadata.sources': [{ type: 'flatfile', directory: join(folder, 'metadata/') }],
    secretsalt: 'of a test that nobody else reaches',
    'auth.adminpassword': 'of a test that nobody else reaches',
    timezone: 'UTC',
    'logging.handler': 'file',
    'logging.logfile': 'simplesamlphp.log',
    'enable.saml20-idp': true,
    'module.enable': { exampleauth: true, core: true, saml: true },
    'session.cookie.name': 'SimpleSAMLSessionID',
    'session.cookie.secure': false,
    'session.phpsession.cookiename': 'SimpleSAML',
    'session.phpsession.savepath': null,
    'session.authtoken.cookiename': 'SimpleSAMLAuthToken',
    'store.type': 'phpsession',
    'language.available': ['en'],
    'language.default': 'en',
    'theme.use': 'default',
    'trusted.url.domains': null,
    production: false,
  };
}

function authSources(): Php {
  const users = Object.entries(people).map(([name, { password, email, groups }]): [string, Php] => [
    `${name}:${password}`,
    { uid: [name], email: [email], groups },
  ]);
  return { admin: ['core:AdminPassword'], people: { 0: 'exampleauth:UserPass', ...Object.fromEntries(users) } };
}

function hosted({ signResponse = true }: SimpleSamlPhpOptions): Php {
  const format = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
  return {
    host: '__DEFAULT__',
    privatekey: 'idp.pem',
    certificate: 'idp.crt',
    auth: 'people',
    'signature.algorithm': 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'saml20.sign.response': signResponse,
    'saml20.sign.assertion': true,
    NameIDFormat: format,
    authproc: { 3: { class: 'saml:AttributeNameID', attribute: 'uid', Format: format } },
  };
}

function remote({ acs, signingCertificate, encryptionCertificate }: SimpleSamlPhpOptions): Php {
  const key = (pem: string, use: 'signing' | 'encryption'): Php => ({
    type: 'X509Certificate',
    signing: use === 'signing',
    encryption: use === 'encryption',
    X509Certificate: pem.replaceAll(/-----[^-]+-----|\s/g, ''),
  });
  return {
    AssertionConsumerService: acs,
    'validate.authnrequest': signingCertificate !== undefined,
    'assertion.encryption': encryptionCertificate !== undefined,
    keys: [
      ...(signingCertificate === undefined ? [] : [key(signingCertificate, 'signing')]),
      ...(encryptionCertificate === undefined ? [] : [key(encryptionCertificate, 'encryption')]),
    ],
  };
}

/** `/module.php/core/x` is a file with a path behind it, which PHP's own server does not know. */
function router(www: string): string {
  return `$www = ${php(www)};
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if (preg_match('#^/(.*?\\.php)(/.*)?$#', $path, $match) && is_file("$www/$match[1]")) {
  $_SERVER['SCRIPT_NAME'] = '/' . $match[1];
  $_SERVER['PHP_SELF'] = $path;
  $_SERVER['SCRIPT_FILENAME'] = "$www/$match[1]";
  if (isset($match[2])) $_SERVER['PATH_INFO'] = $match[2];
  chdir(dirname("$www/$match[1]"));
  require "$www/$match[1]";
  return true;
}
return false;`;
}

/** A value as PHP writes it. Keys that are numbers stay numbers. */
function php(value: Php): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return `'${value.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
  if (Array.isArray(value)) return `[${value.map((each: Php) => php(each)).join(', ')}]`;
  return `[${Object.entries(value)
    .map(([key, each]) => `${/^\d+$/.test(key) ? key : php(key)} => ${php(each)}`)
    .join(', ')}]`;
}

async function whenUp(url: string, child: ChildProcess, log: () => string): Promise<string> {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(startTimeoutMs) });
      const text = await response.text();
      if (response.ok && text.includes('EntityDescriptor')) return text;
      if (response.status >= 400) throw new Error(`SimpleSAMLphp answered with ${response.status}:\n${log()}`);
    } catch (error) {
      if (!(error instanceof TypeError) || child.exitCode !== null || Date.now() > deadline)
        throw new Error(`SimpleSAMLphp did not start:\n${log()}`, { cause: error });
    }
    await sleep(50);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await gone;
  clearTimeout(timer);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-20_000);
  } catch {
    return '';
  }
}
