// resume.test.ts: a search goes on with its file, wherever it was cut off: the same outcome, and nothing trained twice.
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BusyError, DataError, OptionError, space, type TuneResult, tune } from '../../lib/index.ts';
import { make, SPACE } from './kit.ts';

const STEPS = 54;
const folder = mkdtempSync(join(tmpdir(), 'gradclip-tune-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

let trained = 0;
const counted: typeof make = (params, seed) => {
  const trial = make(params, seed);
  const { fit } = trial.trainer;
  Object.assign(trial.trainer, {
    async fit(...given: [never, never]) {
      const result = await fit.apply(trial.trainer, given);
      trained += result.tried;
      return result;
    },
  });
  return trial;
};
const options = {
  make: counted,
  space: SPACE,
  steps: STEPS,
  budget: { steps: 5 * STEPS },
  seeds: 2,
  finalists: 2,
  rungs: 3,
  resume: true,
} as const;
const shown = (result: TuneResult<object>): unknown =>
  JSON.stringify({ ...result, seconds: 0 }, (key, value) => (key === 'seconds' ? 0 : value));

let whole: unknown;
let lines: string[];
beforeAll(async () => {
  whole = shown(await tune({ ...options, file: at('whole.jsonl') }));
  lines = readFileSync(at('whole.jsonl'), 'utf8').split('\n').slice(0, -1);
});

it('a file makes no difference, has a line for each job, and no states are left', async () => {
  const { resume: _, ...plain } = options;
  expect(shown(await tune(plain))).toBe(whole);
  const steps = lines.slice(1).reduce((n, line) => n + JSON.parse(line).steps, 0);
  expect(steps).toBe(JSON.parse(whole as string).steps);
  expect(existsSync(`${at('whole.jsonl')}.states`)).toBe(false);
});

it('nothing is trained where all is there', async () => {
  trained = 0;
  expect(shown(await tune({ ...options, file: at('whole.jsonl') }))).toBe(whole);
  expect(trained).toBe(0);
});

it('aborted after any job, and resumed: the same outcome, each step trained once', async () => {
  const jobs = lines.length - 1;
  for (const stop of [1, 2, Math.floor(jobs / 2), jobs - 2]) {
    const file = at(`stop-${stop}.jsonl`);
    trained = 0;
    const controller = new AbortController();
    let told = 0;
    const onTrial = (): void => {
      if (++told === stop) controller.abort();
    };
    await expect(tune({ ...options, file, signal: controller.signal, onTrial })).rejects.toThrow('aborted');
    const result = await tune({ ...options, file });
    expect(shown(result)).toBe(whole);
    // A job that was on when it was aborted had no end.
    expect(trained).toBeGreaterThanOrEqual(result.steps);
    expect(trained).toBeLessThanOrEqual(result.steps + STEPS);
  }
});

it('killed while it writes a line: the torn one is dropped', async () => {
  const text = `${lines.join('\n')}\n`;
  const header = lines[0]!.length + 1;
  for (const cut of [0, 5, header - 1, header, header + 20, text.length - 1, Math.floor(text.length / 2)]) {
    const file = at(`cut-${cut}.jsonl`);
    writeFileSync(file, text.slice(0, cut));
    const result = await tune({ ...options, file });
    // States of those that go on are not there: they are trained again, and say so.
    const again = result.warnings.filter((line) => /is not there: it is trained again from its beginning$/.test(line));
    expect(JSON.parse(shown({ ...result, warnings: result.warnings.filter((line) => !again.includes(line)) }) as string)).toEqual(
      JSON.parse(whole as string),
    );
    const after = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    expect(after.slice(1).map((line) => JSON.parse(line)).length).toBe(lines.length - 1);
  }
});

it('a larger budget goes on farther, as if it had been so from the beginning', async () => {
  writeFileSync(at('more.jsonl'), `${lines.join('\n')}\n`);
  const more = { ...options, budget: { steps: 8 * STEPS } };
  trained = 0;
  const result = await tune({ ...more, file: at('more.jsonl') });
  expect(trained).toBeLessThan(8 * STEPS);
  const fresh = await tune({ ...more, resume: false });
  const warnings = fresh.warnings;
  expect(shown({ ...result, warnings })).toBe(shown(fresh));
});

it('one search at a time writes a file; a lock of a process that is no more does not count', async () => {
  const file = at('busy.jsonl');
  const first = tune({ ...options, file });
  await expect(tune({ ...options, file })).rejects.toThrow(BusyError);
  expect(shown(await first)).toBe(whole);
  expect(existsSync(`${file}.lock`)).toBe(false);
  // The first process of the system is always there, and nobody has this number.
  writeFileSync(`${file}.lock`, '1\n');
  await expect(tune({ ...options, file })).rejects.toThrow('process 1 writes');
  writeFileSync(`${file}.lock`, `${2 ** 30}\n`);
  expect(shown(await tune({ ...options, file }))).toBe(whole);
});

it('refuses what is there without resume, another search, and what is no search', async () => {
  const file = at('whole.jsonl');
  const no = async (more: object, kind: typeof OptionError | typeof DataError, message: string): Promise<void> => {
    const before = readFileSync(file, 'utf8');
    await expect(tune({ ...options, file, ...more } as never)).rejects.toThrow(kind);
    await expect(tune({ ...options, file, ...more } as never)).rejects.toThrow(message);
    expect(readFileSync(file, 'utf8')).toBe(before);
  };
  await no({ resume: false }, OptionError, 'option resume goes on with it');
  await no({ seed: 1 }, OptionError, 'is of a search with another seed');
  await no({ space: { ...SPACE, lr: space.log(0.1, 1) } }, OptionError, 'another space');
  await no({ steps: 81 }, OptionError, 'another configuration');
  appendFileSync(file, '{"trial":"x"}\n');
  await no({}, DataError, `line ${lines.length + 1}: expected a job of a search`);
  writeFileSync(file, 'a file of mine, without an end');
  await no({}, DataError, 'line 1: expected the file of a search');
  writeFileSync(file, 'hello\n');
  await no({}, DataError, 'line 1: expected a line of a search');
  writeFileSync(file, '{}\n');
  await no({}, DataError, 'line 1: expected the file of a search');
  await expect(tune({ ...options, file: at('none/here.jsonl') })).rejects.toThrow('there is no folder');
  expect(readdirSync(folder).filter((name) => name.endsWith('.states') && !name.startsWith('more'))).toEqual([]);
});
