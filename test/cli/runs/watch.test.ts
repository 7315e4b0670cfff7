// watch.test.ts: `gradclip watch`: the page on its port, what browsers are sent while the record grows, is cut or replaced, and who is refused.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync, renameSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { classifier, points } from '../../train/models.ts';
import { folder, type Ran, run } from '../kit.ts';

const data = points(64);

/** Lines of a record of so many steps. */
async function lines(steps: number): Promise<string[]> {
  const file = join(folder(), 'made.jsonl');
  using trainer = classifier();
  await trainer.fit(data, { steps, record: file, validation: points(24, 6, 7) });
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => `${line}\n`);
}

interface Watching {
  readonly url: string;
  readonly ended: Promise<Ran>;
  stop(cause?: string): Promise<Ran>;
}

/** The command, until the test is over. */
async function watching(cwd: string, ...argv: readonly string[]): Promise<Watching> {
  const controller = new AbortController();
  let found: (url: string) => void = () => {};
  const url = new Promise<string>((resolve) => {
    found = resolve;
  });
  const onStdout = (text: string): void => {
    const { url } = JSON.parse(text) as { url?: string };
    if (url !== undefined) found(url);
  };
  const ended = run(['watch', '--json', '--port', '0', '--every', '20', ...argv], { cwd, signal: controller.signal, onStdout });
  over = null;
  ended.then((ran) => {
    if (!controller.signal.aborted) over = ran;
  });
  const stop = (cause = 'SIGINT'): Promise<Ran> => {
    controller.abort(cause);
    return ended;
  };
  onTestFinished(async () => {
    await stop();
  });
  const first = await Promise.race([url, ended.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
  return { url: first, ended, stop };
}

interface Answer {
  readonly code: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

function ask(url: string, path = '', options: { method?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, url), { agent: false, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ code: response.statusCode!, headers: response.headers, text }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** What a browser is sent: the newest of each part, and what was said last of the file. */
class Browser {
  readonly parts = new Map<string, string>();
  readonly sent: string[] = [];
  state = '';
  ended = false;
  #rest = '';

  static async at(url: string, after = 0): Promise<Browser> {
    const browser = new Browser();
    const asked = request(new URL(`events?after=${after}`, url), { agent: false });
    asked.end();
    const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream & { headers: Record<string, string> }];
    expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    response.setEncoding('utf8');
    response.on('data', (text: string) => browser.#take(text));
    for (const end of ['end', 'error', 'aborted']) {
      response.on(end, () => {
        browser.ended = true;
      });
    }
    onTestFinished(() => {
      asked.destroy();
    });
    return browser;
  }

  #take(text: string): void {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop()!;
    for (const block of blocks) {
      const [, event, json] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
      if (event === 'state') this.state = JSON.parse(json!) as string;
      if (event !== 'part') continue;
      const { id, html } = JSON.parse(json!) as { id: string; html: string };
      this.parts.set(id, html);
      this.sent.push(id);
    }
  }

  get steps(): number {
    return Number(/steps<\/th><td class="words">(\d+)/.exec(this.parts.get('head') ?? '')?.[1] ?? Number.NaN);
  }
}

/** The command that the test is about has ended, and it was not stopped. */
let over: Ran | null = null;

/** Looks until it is so; the test's own time ends it, or the end of the command. */
async function until(is: () => boolean): Promise<void> {
  while (!is()) {
    if (over) throw new Error(`the command has ended with ${over.code}: ${over.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

it('serves the page, with all that it needs, to this machine alone', async () => {
  const cwd = folder({ 'run.jsonl': (await lines(20)).join('') });
  const { url } = await watching(cwd, 'run.jsonl');
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  const page = await ask(url);
  expect(page).toMatchObject({ code: 200, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' } });
  const policy = page.headers['content-security-policy'];
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(page.headers['x-content-type-options']).toBe('nosniff');
  expect(page.text).toContain('<h1>run.jsonl</h1>');
  expect(page.text).toContain('<h2>Loss</h2>');
  // Nothing of elsewhere: one script, of its own.
  expect(page.text.match(/(?:src|href)="[^"]*"/g)).toEqual(['src="live.js"']);
  expect(page.text).not.toMatch(/https?:|url\((?!#)|@import|\son\w+=/);
  expect(await ask(url, 'live.js')).toMatchObject({ code: 200, headers: { 'content-type': 'text/javascript; charset=utf-8' } });
  expect((await ask(url, 'favicon.ico')).code).toBe(204);
  const head = await ask(url, '', { method: 'HEAD' });
  expect(head).toMatchObject({ code: 200, text: '' });
  expect(Number(head.headers['content-length'])).toBe(Buffer.byteLength((await ask(url)).text));
});

it('refuses other names, methods and paths', async () => {
  const cwd = folder({ 'run.jsonl': (await lines(2)).join('') });
  const { url } = await watching(cwd, 'run.jsonl');
  const { port } = new URL(url);
  expect((await ask(url, '', { headers: { host: 'evil.example' } })).code).toBe(403);
  expect((await ask(url, 'events', { headers: { host: `evil.example:${port}` } })).code).toBe(403);
  expect((await ask(url, '', { headers: { host: `localhost:${port}` } })).code).toBe(200);
  expect(await ask(url, '', { method: 'POST' })).toMatchObject({ code: 405, headers: { allow: 'GET, HEAD' } });
  for (const path of ['etc/passwd', '..%2f..%2fetc/passwd', 'run.jsonl', '%']) expect((await ask(url, path)).code).toBe(404);
  expect((await ask(url, 'events', { method: 'HEAD' })).code).toBe(404);
});

it('sends each browser the parts that change, and no others', async () => {
  const all = await lines(20);
  const cwd = folder({ 'run.jsonl': all.slice(0, 4).join('') });
  const file = join(cwd, 'run.jsonl');
  const { url } = await watching(cwd, 'run.jsonl');
  const seen = Number(/data-version="(\d+)"/.exec((await ask(url)).text)![1]);
  const browsers = await Promise.all([Browser.at(url, seen), Browser.at(url, seen), Browser.at(url)]);
  await until(() => browsers.every(({ state }) => state === 'Following the run.'));
  expect(browsers[0]!.sent).toEqual([]);
  expect(browsers[2]!.steps).toBe(3);
  // Half a line is waited for.
  appendFileSync(file, all[4]!.slice(0, 30));
  appendFileSync(file, all[4]!.slice(30) + all[5]!);
  await until(() => browsers.every(({ steps }) => steps === 5));
  expect(browsers[0]!.sent).toContain('loss');
  for (const id of ['layers', 'findings', 'decisions', 'configuration']) expect(browsers[0]!.sent).not.toContain(id);
  appendFileSync(file, all.slice(6).join(''));
  await until(() => browsers.every(({ steps }) => steps === 20));
  expect(browsers[0]!.parts.get('loss')).toContain('validation');
  expect(browsers[0]!.parts.get('loss')).toBe(browsers[1]!.parts.get('loss'));
});

it('begins anew where the record is cut, replaced or written again, and waits where it is gone', async () => {
  const all = await lines(20);
  const cwd = folder({ 'run.jsonl': all.join('') });
  const file = join(cwd, 'run.jsonl');
  const { url } = await watching(cwd, 'run.jsonl');
  const browser = await Browser.at(url);
  await until(() => browser.steps === 20);
  truncateSync(file, all.slice(0, 6).join('').length);
  await until(() => browser.steps === 5);
  appendFileSync(file, all.slice(6, 9).join(''));
  await until(() => browser.steps === 8);
  // Another file in its place.
  writeFileSync(`${file}.new`, all.slice(0, 3).join(''));
  renameSync(`${file}.new`, file);
  await until(() => browser.steps === 2);
  unlinkSync(file);
  await until(() => browser.state === 'The file is not there any more.');
  expect(browser.steps).toBe(2);
  writeFileSync(file, all.join(''));
  await until(() => browser.steps === 20 && browser.state === 'Following the run.');
  // As long as before, of another seed, and longer.
  writeFileSync(file, all.join('').replace('"seed":"3"', '"seed":"4"'));
  appendFileSync(file, all.at(-1)!.replace(/"attempt":\d+/, '"attempt":900'));
  await until(() => browser.steps === 21 && browser.parts.get('configuration')!.includes('>4<'));
});

it('shows what is left where the record is cut between two looks into it', async () => {
  const all = await lines(20);
  const cwd = folder({ 'run.jsonl': all.join('') });
  const file = join(cwd, 'run.jsonl');
  const { url } = await watching(cwd, 'run.jsonl');
  const browser = await Browser.at(url);
  await until(() => browser.steps === 20);
  // It is cut after its length was asked for, and before it is read.
  const handle = await open(file);
  const kind = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  const { stat } = kind;
  const asked = vi.spyOn(kind, 'stat').mockImplementationOnce(async function (this: typeof handle) {
    const stats = await stat.call(this);
    truncateSync(file, all.slice(0, 6).join('').length);
    return stats;
  } as never);
  onTestFinished(() => asked.mockRestore());
  await until(() => browser.steps === 5);
});

it('waits for a record that is not there yet', async () => {
  const cwd = folder();
  const { url } = await watching(cwd, 'run.jsonl');
  const browser = await Browser.at(url);
  await until(() => browser.state === 'Waiting for the file.');
  expect((await ask(url)).text).toContain('No step has been run yet.');
  const all = await lines(3);
  writeFileSync(join(cwd, 'run.jsonl'), all[0]!);
  await until(() => browser.state === 'Waiting for the first step.');
  appendFileSync(join(cwd, 'run.jsonl'), all.slice(1).join(''));
  await until(() => browser.steps === 3);
});

it('follows a training of this process', async () => {
  const cwd = folder();
  const { url } = await watching(cwd, 'run.jsonl');
  const browser = await Browser.at(url);
  using trainer = classifier();
  await trainer.fit(data, { epochs: 4, record: { file: join(cwd, 'run.jsonl'), perLayer: true }, validation: points(24, 6, 7) });
  await until(() => browser.steps === 32);
  expect(browser.parts.get('layers')).toContain('<bdi>fc1.weight</bdi>');
  expect(browser.parts.get('epochs')).toContain('<h2>Epochs</h2>');
});

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
])('%s ends it with code %i, and every connection', async (cause, code) => {
  const cwd = folder({ 'run.jsonl': (await lines(2)).join('') });
  const { url, stop } = await watching(cwd, 'run.jsonl');
  const browsers = await Promise.all([Browser.at(url), Browser.at(url)]);
  const ended = await stop(cause);
  expect(ended.code).toBe(code);
  await until(() => browsers.every((browser) => browser.ended));
  await expect(ask(url)).rejects.toThrow('ECONNREFUSED');
});

it('ends as a program, too', async () => {
  const cwd = folder({ 'run.jsonl': (await lines(2)).join('') });
  const program = resolve('dist/lib/cli/main.js');
  const child = spawn(process.execPath, [program, 'watch', 'run.jsonl', '--port', '0'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await until(() => /http:\S+/.test(text));
  const browser = await Browser.at(/http:\S+/.exec(text)![0]);
  await until(() => browser.steps === 2);
  child.kill('SIGTERM');
  expect((await once(child, 'close'))[0]).toBe(143);
});

it('takes another port than the usual one where that is taken, but not than the one it is asked for', async () => {
  const cwd = folder({ 'run.jsonl': (await lines(2)).join('') });
  const other = createServer();
  await new Promise<void>((resolve) => {
    other.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    other.close();
  });
  const { port } = other.address() as AddressInfo;
  const ran = await run(['watch', 'run.jsonl', '--port', String(port)], { cwd });
  expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining(`--port: ${port}: another program has it`) });
});

it('says no to more browsers than it has room for', async () => {
  const cwd = folder({ 'run.jsonl': (await lines(2)).join('') });
  const { url } = await watching(cwd, 'run.jsonl');
  await Promise.all(Array.from({ length: 32 }, () => Browser.at(url)));
  expect((await ask(url, 'events')).code).toBe(503);
});

it.each([
  [['watch'], 2, 'expected RUN.jsonl'],
  [['watch', 'points.csv'], 4, 'points.csv: line 1: expected'],
  [['watch', 'none/run.jsonl'], 4, 'no such folder'],
  [['watch', '.'], 4, 'expected a regular file, got a folder'],
  [['watch', 'points.csv', '--port', '70000'], 2, '--port'],
])('%j', async (argv, code, message) => {
  const ran = await run(argv, { cwd: folder({ 'points.csv': '1,2\n' }) });
  expect(ran.code).toBe(code);
  expect(ran.stderr).toContain(message);
});
