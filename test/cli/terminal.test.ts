// terminal.test.ts: names that hold control characters, wherever a file can bring them: none reaches the terminal but the colors of the command line.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect as show } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Screen } from '../../lib/cli/screen.ts';
import { DataError, GradclipError, NonFiniteError } from '../../lib/errors.ts';
import { advise, clip, io, replay, replayTable } from '../../lib/index.ts';
import { serializeSafetensors } from '../../lib/io/arrays/safetensors.ts';
import { escapeHtml } from '../../lib/pages/svg.ts';
import { folder, type Ran, type RunOptions, run } from './kit.ts';

/** Sets the title, fills the clipboard, hides what follows, clears the screen by C1, forges a line, turns the direction of text, ends a text. */
const HOSTILE =
  '\x1b]0;title\x07\x1b]52;c;eA==\x1b\\\x1b[8m\x9b2J\x9d0;t\x9c\nerror: forged\r\u202egnp.\u2066\u2069\u200f\u2028\x7f\0';
/** As a cell or a word, which has no ends of lines. */
const WORD = HOSTILE.replaceAll(/[\n\r]/g, '');

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const RAW = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
/** Colors as styleText makes them, and how the live region is redrawn. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const OWN = /\x1b\[(?:1|2|22|31|32|33|36|39)m|\x1b\[\d+A\r\x1b\[J/g;

function expectClean({ stdout, stderr }: Ran): void {
  for (const text of [stdout, stderr]) {
    expect(RAW.exec(text.replace(OWN, ''))?.[0]).toBeUndefined();
    expect(text).not.toMatch(/^error: forged/m);
  }
}

/** As text on a terminal with colors, and as JSON on one. */
async function both(argv: readonly string[], options: RunOptions): Promise<readonly [Ran, Ran]> {
  const rans = [await run(argv, { ...options, tty: true }), await run([...argv, '--json'], { ...options, tty: true })] as const;
  rans.forEach(expectClean);
  return rans;
}

const zeros = (shape: readonly number[]) => ({
  dtype: 'f32' as const,
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
});

describe('what a file is shown as', () => {
  it('inspect: names of tensors, metadata, the name of the file', async () => {
    const cwd = folder();
    const weights = serializeSafetensors(
      { [HOSTILE]: zeros([2]), 'fc.weight': zeros([2, 2]) },
      { [HOSTILE]: HOSTILE, note: 'plain' },
    );
    writeFileSync(join(cwd, 'm.safetensors'), weights);
    const [text, json] = await both(['inspect', 'm.safetensors'], { cwd });
    expect(text.code).toBe(0);
    expect(text.stdout).toContain('\\x1b]0;title\\x07\\x1b]52;c;eA==\\x1b\\\\x1b[8m\\x9b2J');
    expect(text.stdout).toContain('\\nerror: forged\\r\\u202egnp.');
    // JSON says what is there, character by character.
    expect(json.json()[0]).toMatchObject({
      metadata: { [HOSTILE]: HOSTILE },
      tensors: [{ name: HOSTILE }, { name: 'fc.weight' }],
    });

    const name = HOSTILE.replaceAll('\0', '').replaceAll('/', '');
    for (const [file, content] of [
      [name, Buffer.from(HOSTILE)],
      [`${name}2`, null],
    ] as const) {
      if (content) writeFileSync(join(cwd, file), content);
      const [said] = await both(['inspect', file], { cwd });
      expect(said.code).toBe(4);
      expect(said.stderr).toContain('\\x1b]52');
    }
  });

  it('clip-report: names of parameters, policies, the page', async () => {
    const cwd = folder();
    const names = ['fc.weight', `${HOSTILE}<script>alert(1)</script>`];
    const header = {
      ...{
        format: 'gradclip record',
        version: 1,
        library: HOSTILE,
        policy: HOSTILE,
        norm: 2,
        seed: '0',
        threads: 1,
        batchSize: 4,
      },
      ...{ accumulate: 1, perLayer: true, optimizers: [{ name: HOSTILE, lr: 0.1, eps: null }] },
      parameters: names.map((name) => ({ name, shape: [2], optimizer: 0 })),
    };
    const step = (i: number) => ({
      ...{
        attempt: i,
        step: i,
        loss: 1,
        norm: 1 + (i % 7),
        normAfter: 1,
        scale: 1,
        threshold: 1,
        clipped: true,
        clippedFraction: 1,
      },
      ...{ skipped: i % 2 === 1, nonFinite: i % 2 === 1 ? names[1] : null, nonFiniteCount: i % 2, layers: [1, 2] },
    });
    const lines = [header, ...Array.from({ length: 60 }, (_, i) => step(i))];
    writeFileSync(join(cwd, 'run.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const policies = { [HOSTILE]: { type: 'globalNorm', threshold: 1 } };
    writeFileSync(join(cwd, 'p.json'), JSON.stringify(policies));
    const [text] = await both(['clip-report', 'run.jsonl', '--policies', 'p.json', '--html', 'page.html'], { cwd });
    expect(text.stderr).toBe('');
    expect(text.stdout).toContain('\\x1b]52');
    const page = readFileSync(join(cwd, 'page.html'), 'utf8');
    expect(page).toContain('&lt;script&gt;');
    expect(page).not.toMatch(/<script/);
    expect(RAW.exec(page)?.[0]).toBeUndefined();

    const [reported] = await both(['report', 'run.jsonl', '--html', 'run.html'], { cwd });
    expect(reported).toMatchObject({ code: 0, stderr: '' });
    expect(reported.stdout).toContain('\\x1b]52');
    const ofRun = readFileSync(join(cwd, 'run.html'), 'utf8');
    expect(ofRun).toContain('&lt;script&gt;');
    expect(ofRun).not.toMatch(/<script/);
    expect(RAW.exec(ofRun)?.[0]).toBeUndefined();

    for (const bad of [
      `{"format":${JSON.stringify(HOSTILE)}}\n`,
      `${HOSTILE}\n`,
      `${JSON.stringify({ ...header, norm: HOSTILE })}\n`,
    ]) {
      writeFileSync(join(cwd, 'bad.jsonl'), bad);
      expect((await both(['clip-report', 'bad.jsonl'], { cwd }))[0].code).toBe(4);
    }
    await both(['clip-report', 'run.jsonl', '--policies', HOSTILE, '--rate', HOSTILE], { cwd });
  });
});

describe('what is trained on', () => {
  const rows = Array.from({ length: 40 }, (_, i) => `${i / 40},${(i * 7) % 5},${i % 2 === 0 ? WORD : `${WORD}b`}`);
  const config = {
    data: { type: 'csv', file: 't.csv', label: `c${WORD}`, delimiter: ',', split: { train: 30 } },
    model: { type: 'mlp', sizes: [2, 4, 2] },
    optimizer: { type: 'sgd', lr: 0.1 },
    ...{ batchSize: 8, epochs: 2, threads: 1, save: 'm.safetensors' },
  };
  const files = { 't.csv': `a${WORD},b,c${WORD}\n${rows.join('\n')}\n`, 'c.json': JSON.stringify(config) };

  it('train and predict: columns, labels, wrong cells', async () => {
    const cwd = folder(files);
    const [trained] = await both(['train', 'c.json'], { cwd });
    expect(trained.stderr).not.toContain('error');
    const [text, json] = await both(['predict', 'm.safetensors', 't.csv', '--drop', `c${WORD}`], { cwd });
    expect(text.stdout).toMatch(/^\\x1b\]0;title/);
    expect(json.json().map((e) => e.class)).toContain(WORD);
    for (const bad of [`a${WORD},b,c${WORD}\n${WORD},1,x\n`, `${WORD}\n`, `a,b\n1,2\n"${WORD}`]) {
      writeFileSync(join(cwd, 'bad.csv'), bad);
      expect((await both(['predict', 'm.safetensors', 'bad.csv'], { cwd }))[0].code).toBe(4);
    }
    await both(['predict', 'm.safetensors', 't.csv', '--drop', HOSTILE], { cwd });
  });

  it('train: wrong keys and values of a configuration, and what is no JSON', async () => {
    const cwd = folder(files);
    for (const change of [
      { [HOSTILE]: 1 },
      { model: { type: HOSTILE } },
      { optimizer: { type: 'sgd', lr: HOSTILE } },
      { data: { ...config.data, label: HOSTILE } },
      { data: { ...config.data, file: HOSTILE.replaceAll('\0', '') } },
      { data: { ...config.data, file: HOSTILE } },
    ]) {
      writeFileSync(join(cwd, 'bad.json'), JSON.stringify({ ...config, ...change }));
      const [{ code }] = await both(['train', 'bad.json'], { cwd });
      expect([2, 4], JSON.stringify(change)).toContain(code);
    }
    writeFileSync(join(cwd, 'bad.json'), HOSTILE);
    await both(['train', 'bad.json'], { cwd });
    await both([HOSTILE], { cwd });
    await both(['train', `--${HOSTILE}`], { cwd });
  });

  it('demo and sample: a text full of control characters, and what is written of it', async () => {
    const text = `${HOSTILE} and so on\n`.repeat(40);
    const file = `t${HOSTILE.replaceAll(/[\0/]/g, '')}`;
    const cwd = folder({ [file]: text, 't.txt': text });
    const [shown] = await both(['demo', '--text', file, '--steps', '3', '--threads', '1'], { cwd });
    expect(shown.code).toBe(0);
    const page = readFileSync(join(cwd, 'gradclip-report.html'), 'utf8');
    expect(RAW.exec(page.replaceAll('\t', ''))?.[0]).toBeUndefined();
    const data = { type: 'text', file: 't.txt', length: 16, split: { train: 0.9 } };
    const model = { type: 'charRnn', embedding: 8, hidden: 8 };
    const written = { ...config, data, model, epochs: undefined, steps: 2 };
    writeFileSync(join(cwd, 'c.json'), JSON.stringify(written));
    await both(['train', 'c.json'], { cwd });
    const ran = await run(['sample', 'm.safetensors', '--length', '200', '--prompt', HOSTILE], { cwd });
    // Ends of lines and tabs are what text is made of.
    expect(RAW.exec(ran.stdout.replaceAll('\t', ''))?.[0]).toBeUndefined();
    expect(ran.stdout).toContain('\\x1b');
  });
});

describe('what anybody may print', () => {
  it('messages, stacks and printed errors of every class', () => {
    const cause = new SyntaxError(`Unexpected token in ${HOSTILE}`);
    const error = new DataError(`${HOSTILE}: expected a number, got ${HOSTILE}`, { name: HOSTILE }, { cause });
    error.inLayer(HOSTILE);
    for (const text of [error.message, String(error), error.stack!, show(error), show(error, { colors: true })]) {
      expect(RAW.exec(text)?.[0]).toBeUndefined();
      expect(text).not.toMatch(/^error: forged/m);
    }
    // The values themselves are there for programs.
    expect(error.details.name).toBe(HOSTILE);
    expect(error.cause).toBe(cause);
  });

  it('lines that a message is made of stay lines', () => {
    expect(new NonFiniteError(['one\ntwo', 'three']).message).toBe('one\\ntwo\nthree');
  });

  it('a message of a length that somebody may read', () => {
    const { message } = new GradclipError('ERR_DATA', `before ${'x'.repeat(1e6)} after`);
    expect(message.length).toBeLessThan(9000);
    expect(message).toMatch(/^before x.*\(1000013 characters\).*x after$/);
  });

  it('files that are read wrongly', async () => {
    const cwd = folder({ 'a.csv': `a,b\n1,${WORD}\n`, 'b.json': HOSTILE });
    const path = join(cwd, HOSTILE.replaceAll('\0', ''));
    mkdirSync(path, { recursive: true });
    for (const read of [
      () => io.readCsv(join(cwd, 'a.csv')),
      () => io.readText(path),
      () => io.readSafetensors(path),
      () => io.readNpz(path),
    ]) {
      const error = (await read().then(
        () => null,
        (e: unknown) => e,
      )) as GradclipError;
      expect(error).toBeInstanceOf(GradclipError);
      expect(RAW.exec(error.message)?.[0]).toBeUndefined();
      expect(error.message).not.toContain('\n');
    }
  });

  it('lines about a record: warnings of advise, the table of replay', async () => {
    const names = [HOSTILE, `${HOSTILE}2`];
    const length = 200;
    const layers = {
      names,
      shapes: [[2], [2]],
      norms: Float64Array.from({ length: 2 * length }, (_, i) => (i % 2 ? 100 : 0.001)),
    };
    const skipped = Array.from({ length }, (_, i) => i % 2 === 0);
    const nonFinite = skipped.map((s) => (s ? HOSTILE : null));
    const norm = Array.from({ length }, (_, i) => (i % 2 ? 1 + i : Number.NaN));
    const history = { norm, skipped, nonFinite, nonFiniteCount: skipped.map(Number), layers };
    const { warnings } = advise(history);
    const texts = warnings.map((w) => w.text);
    expect(texts.join()).toContain('\\x1b]52');
    const lines = replayTable(replay(history, { [HOSTILE]: clip.globalNorm(1), auto: clip.autoClip(), zclip: clip.zclip() }));
    expect(lines.join()).toContain('\\x1b]52');
    for (const line of [...texts, ...lines]) {
      expect(RAW.exec(line)?.[0]).toBeUndefined();
      expect(line).not.toContain('\n');
    }
  });

  it('colors in a text are none of ours', () => {
    const texts: string[] = [];
    const stream = { write: (text: string) => texts.push(text), isTTY: true };
    const screen = new Screen({ stdout: stream, stderr: stream, env: {}, cwd: '', signal: new AbortController().signal }, false);
    screen.say(`${screen.paint('red', '\x1b[31mname\x1b[8m')} \x1b[0m`);
    expect(texts).toEqual(['\x1b[31m\\x1b[31mname\\x1b[8m\x1b[39m \\x1b[0m\n']);
  });

  it('names within a page', () => {
    expect(escapeHtml(`<a href="x">'&\x1b\u202e`)).toBe('&lt;a href=&quot;x&quot;&gt;&#39;&amp;\\x1b\\u202e');
  });
});
