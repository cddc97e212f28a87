import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from 'commander';
import { testIo } from './cluster.fake.ts';
import { runTessera, tesseraProgram } from './tessera/program.ts';
import { runTsh, tshProgram } from './tsh/program.ts';

const programs = [tshProgram(testIo('/nowhere'), { code: 0 }), tesseraProgram(testIo('/nowhere'), { code: 0 })];

function* walk(command: Command): Generator<Command> {
  yield command;
  for (const child of command.commands) yield* walk(child);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

async function help(path: string): Promise<string> {
  const [program, ...rest] = path.split(' ');
  const io = testIo('/nowhere');
  const code = await (program === 'tsh' ? runTsh : runTessera)(io, [...rest, '--help']);
  assert.equal(code, 0);
  assert.equal(io.err(), '');
  return io.out();
}

for (const program of programs) {
  for (const command of walk(program)) {
    const path = pathOf(command);
    test(`${path} --help has an example that the program understands`, async () => {
      const text = await help(path);
      const shown = text.slice(text.indexOf('Examples:'));
      assert.match(shown, /^Examples:\n {2}\$ /);
      assert.equal(
        /[.!]$/.test(command.description()) && command.parent !== null,
        false,
        'descriptions have no full stop',
      );
      for (const [, line] of shown.matchAll(/^ {2}\$ (.*)$/gm)) checkExample(line ?? '');
      if (command.commands.length === 0) assert.ok(shown.includes(path), 'one of the examples is of this very command');
    });
  }
}

/** Every program call of the line leads to a command and uses only flags that it has. */
function checkExample(line: string): void {
  for (const call of line.matchAll(/\b(tsh|tessera) ([a-z][^|;#)]*)/g)) {
    const words = (call[2] ?? '').trim().split(/\s+/);
    let command: Command = programs[call[1] === 'tsh' ? 0 : 1] ?? assert.fail();
    while (command.commands.length > 0) {
      const next: Command | undefined = command.commands.find((child) => child.name() === words[0]);
      assert.ok(next, `${line}: ${words[0]} is no command`);
      command = next;
      words.shift();
    }
    const known = new Set(
      [...command.options, ...(command.parent?.options ?? []), ...(command.parent?.parent?.options ?? [])].flatMap(
        (option) => [option.long, option.short],
      ),
    );
    const dashes = words.indexOf('--');
    for (const word of dashes === -1 ? words : words.slice(0, dashes)) {
      const flag = /^(--?[a-z-]+)/.exec(word)?.[1];
      if (flag !== undefined) assert.ok(known.has(flag), `${line}: ${flag} is no flag of ${pathOf(command)}`);
    }
  }
}

const usage = [
  { args: ['logn'], err: /unknown command 'logn'\n\(Did you mean login\?\)/ },
  { args: ['db', 'conect'], err: /Did you mean connect\?/ },
  { args: ['status', '--fromat=json'], err: /unknown option '--fromat'\n\(Did you mean --format\?\)/ },
  { args: ['db', 'ls', '--fromat', 'json'], err: /unknown option '--fromat'\n\(Did you mean --format\?\)/ },
  { args: ['db', 'ls', '--format=xml'], err: /Allowed choices are text, json, yaml/ },
  { args: ['db', 'exec', 'select 1', '--parallel=11', '--dbs=a'], err: /whole number from 1 to 10/ },
  { args: ['db', 'exec', 'select 1'], err: /on which databases\?/ },
  { args: ['invite', 'http://x/web/invite/abcdefgh12345'], err: /expected https:/ },
  { args: ['login'], err: /which proxy\?/ },
  { args: [], err: /Usage: tsh/ },
];
for (const row of usage) {
  test(`tsh ${row.args.join(' ')}: exit code 2 and what is wrong`, async () => {
    const io = testIo('/nowhere');
    assert.equal(await runTsh(io, row.args), 2);
    assert.match(io.err(), row.err);
    assert.equal(io.out(), '');
  });
}

test('no flag takes a password', () => {
  for (const program of programs) {
    for (const command of walk(program))
      for (const option of command.options) assert.doesNotMatch(option.long ?? '', /pass|otp|secret/, pathOf(command));
  }
});
