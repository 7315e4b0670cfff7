// example-server.mjs: examples/server, started, tried and measured.
//   npm run -s example:server                     start it, with made-up deliveries; PORT and the like as its README.md says
//   npm run -s test:server                        routes, load, kills and soak, one after the other; so many of each as follows
//   npm run -s test:server -- routes              who gets which answer, from a bad request to the page of the training; a graceful end
//   npm run -s test:server -- load --seconds 60   300 requests a second while it trains: latencies and the delay of the event loop
//   npm run -s test:server -- kills --kills 200   kill -9 at random moments: no row lost or learned twice, bit for bit
//   npm run -s test:server -- soak --rows 1000000 memory and handles by counts of rows, fits and swaps
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const FOLDER = fileURLToPath(new URL('../examples/server/', import.meta.url));
const TOKEN = 'a-token-of-the-test-only';

/** What the example needs, which gradclip does not: installed in its folder. */
async function install() {
  if (
    existsSync(join(FOLDER, 'node_modules/.package-lock.json')) &&
    existsSync(join(FOLDER, 'node_modules/better-sqlite3/build/Release'))
  )
    return;
  console.error('installing what examples/server needs ...');
  // Where better-sqlite3 has nothing prebuilt to offer, it is compiled, with the headers that came with Node.
  const headers = join(dirname(process.execPath), '..');
  const env = { ...process.env, ...(existsSync(join(headers, 'include/node/node.h')) && { npm_config_nodedir: headers }) };
  for (const args of [
    ['ci', '--ignore-scripts'],
    ['rebuild', 'better-sqlite3'],
  ]) {
    const child = spawn('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: FOLDER,
      env,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`npm ${args.join(' ')} in examples/server ended with ${code}`);
  }
}

/** A service that listens. */
class Service {
  #child;
  #url;
  #lines = [];
  exited;

  static async start(folder, env = {}) {
    const service = new Service();
    await service.#start(folder, env);
    return service;
  }

  get url() {
    return this.#url;
  }

  /** What it has logged, the last lines. */
  get log() {
    return this.#lines.slice(-20).join('\n');
  }

  async #start(folder, env) {
    const began = performance.now();
    // The line that tells where it listens is one of level info.
    const own = { PORT: '0', HOST: '127.0.0.1', TOKEN, DATA: folder, LOG_LEVEL: 'info', ...env };
    this.#child = spawn(process.execPath, ['server.mjs'], {
      cwd: FOLDER,
      env: { ...process.env, ...own },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = once(this.#child, 'exit').then(([code, signal]) => ({ code, signal }));
    createInterface({ input: this.#child.stderr }).on('line', (line) => this.#lines.push(line));
    const lines = createInterface({ input: this.#child.stdout });
    const listening = new Promise((resolve) =>
      lines.on('line', (line) => {
        this.#lines.push(line);
        if (this.#lines.length > 1000) this.#lines.splice(0, 500);
        const found = /listening at (http:\/\/[^"]+)/.exec(line);
        if (found) resolve(found[1]);
      }),
    );
    const url = await Promise.race([listening, this.exited.then(() => null)]);
    if (!url) throw new Error(`the service did not start:\n${this.log}`);
    this.#url = url;
    this.seconds = (performance.now() - began) / 1000;
  }

  async ask(path, { body, token = TOKEN, text = null } = {}) {
    const headers = { ...(token && { authorization: `Bearer ${token}` }) };
    const given = text ?? (body === undefined ? undefined : JSON.stringify(body));
    if (given !== undefined) headers['content-type'] = 'application/json';
    const answer = await fetch(new URL(path, this.#url), { method: given === undefined ? 'GET' : 'POST', headers, body: given });
    const said = await answer.text();
    return { status: answer.status, text: said, json: () => JSON.parse(said) };
  }

  /** Waits until it has weights that answer. */
  async ready() {
    while ((await this.ask('/health/ready')).status !== 200) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** One of its metrics, of the labels that are said. */
  async metric(name) {
    const { text } = await this.ask('/metrics');
    const line = text.split('\n').find((one) => one.startsWith(`${name} `));
    if (!line) throw new Error(`no metric ${name}`);
    return Number(line.slice(name.length + 1));
  }

  kill(signal) {
    this.#child.kill(signal);
    return this.exited;
  }
}

const check = (what, good, details = '') => {
  if (!good) throw new Error(`${what}: ${typeof details === 'string' ? details : JSON.stringify(details)}`);
};

async function withFolder(task) {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-server-'));
  try {
    return await task(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const { asked, deliveries } = await import(new URL('made-up.mjs', new URL('../examples/server/', import.meta.url)));

/** Rows to begin with, enough for weights that answer. */
async function begun(folder, env) {
  const service = await Service.start(folder, env);
  for (let i = 0; i < 4; i++) check('rows', (await service.ask('/rows', { body: deliveries(500 * i, 500) })).status === 201);
  await service.ready();
  return service;
}

/** What it answers to whom. */
async function routes() {
  await withFolder(async (folder) => {
    const service = await Service.start(folder);
    const one = deliveries(0, 1);
    const answers = [
      ['nothing learned yet', '/predict', { body: [asked(one[0])] }, 503],
      ['not ready', '/health/ready', {}, 503],
      ['alive, without a token', '/health/live', { token: null }, 200],
      ['no token', '/predict', { body: [asked(one[0])], token: null }, 401],
      ['another token', '/predict', { body: [asked(one[0])], token: 'another-token-of-somebody' }, 401],
      ['no token for metrics', '/metrics', { token: null }, 401],
      ['no route', '/nothing', {}, 404],
      ['no JSON', '/rows', { text: '[{' }, 400],
      ['no rows', '/rows', { body: [] }, 400],
      ['too many rows', '/rows', { body: deliveries(0, 1001) }, 400],
      ['no label', '/rows', { body: [asked(one[0])] }, 400],
      ['a field too many', '/rows', { body: [{ ...one[0], color: 'red' }] }, 400],
      ['an unknown category', '/rows', { body: [{ ...one[0], weather: 'hail' }] }, 400],
      ['a text for a number', '/rows', { body: [{ ...one[0], distance: '12' }] }, 400],
      ['a number that is none', '/rows', { text: JSON.stringify(one).replace(/"distance":\d+/, '"distance":1e999') }, 400],
      ['a value below its bounds', '/rows', { body: [{ ...one[0], traffic: -0.1 }] }, 400],
      ['a body too large', '/rows', { text: `[${'1,'.repeat(300_000)}1]` }, 413],
      ['good rows', '/rows', { body: deliveries(0, 1000) }, 201],
      ['more', '/rows', { body: deliveries(1000, 1000) }, 201],
    ];
    for (const [what, path, given, status] of answers) {
      const { status: got, text } = await service.ask(path, given);
      check(`${what}, ${path}: expected ${status}, got ${got}`, got === status, text);
    }
    await service.ready();
    const { late, model } = (await service.ask('/predict', { body: deliveries(0, 20).map(asked) })).json();
    check('20 probabilities', late.length === 20 && late.every((p) => p > 0 && p < 1), late);
    check('which weights', model > 0, model);
    check('Prometheus counts rows', (await service.metric('service_rows_learned_total')) > 500);
    const page = await service.ask('/report');
    check('a page', page.status === 200 && /^<!doctype html/i.test(page.text), page.text.slice(0, 100));
    const { code } = await service.kill('SIGTERM');
    check('it ends with 0', code === 0, service.log);

    // A log that is not the one of the weights.
    rmSync(join(folder, 'deliveries.db'));
    const other = await Service.start(folder).catch((error) => error);
    check('weights of another log are refused', other instanceof Error && /is it another one/.test(other.message), String(other));
  });
  console.log('routes: all as they should be');
}

/** Requests at a fixed rate from a process of its own. @returns what open-loop.mjs prints */
async function openLoop(given) {
  const child = spawn(process.execPath, [fileURLToPath(new URL('open-loop.mjs', import.meta.url)), JSON.stringify(given)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (text) => (out += text));
  const [code] = await once(child, 'close');
  check('the client ends with 0', code === 0, out);
  return JSON.parse(out);
}

/** The same client and a server that does nothing: what of a latency is the machine's and the client's. */
async function floorOf(given) {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end('{"late":[0.5],"model":1}'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const result = await openLoop({ ...given, url: `http://127.0.0.1:${server.address().port}`, seconds: 5 });
  server.closeAllConnections();
  server.close();
  return result;
}

/** @param seconds at 300 requests a second while it trains all the time, then a few with as many as it can answer */
async function load(seconds) {
  const { default: autocannon } = await import(
    new URL('node_modules/autocannon/autocannon.js', new URL('../examples/server/', import.meta.url))
  );
  await withFolder(async (folder) => {
    const bodies = deliveries(10_000_000, 200).map((row) => JSON.stringify([asked(row)]));
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` };
    const given = { path: '/predict', headers, bodies, rate: 300, seconds, warmUp: 2 };
    const floor = await floorOf(given);
    // A backlog, so that there is always something to learn, and rows all the time: 40 a request, five times a second.
    const { RowLog } = await import(new URL('../examples/server/row-log.mjs', import.meta.url));
    const log = new RowLog(join(folder, 'deliveries.db'));
    let next = 0;
    for (; next < 40_000 * (seconds + 12); next += 10_000) log.append(deliveries(next, 10_000));
    log.close();
    const service = await Service.start(folder, { MAX_BACKLOG: '1000000000' });
    await service.ready();
    let sending = true;
    const rows = (async () => {
      for (; sending; next += 40) {
        await service.ask('/rows', { body: deliveries(next, 40) });
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })();
    const before = await service.metric('service_rows_learned_total');
    await service.metric('service_event_loop_delay_p99_seconds');
    const result = await openLoop({ ...given, url: service.url });
    const delay = 1000 * (await service.metric('service_event_loop_delay_p99_seconds'));
    const learned = (await service.metric('service_rows_learned_total')) - before;
    const requests = bodies.map((body) => ({ method: 'POST', path: '/predict', headers, body }));
    const most = await autocannon({ url: service.url, connections: 20, duration: 5, requests });
    const backlog = (await service.ask('/health/ready')).json().backlog;
    sending = false;
    await rows;
    const { code } = await service.kill('SIGTERM');
    console.log(
      JSON.stringify({
        ...result,
        loopDelayP99: Number(delay.toFixed(2)),
        rowsLearnedPerSecond: Math.round(learned / (seconds + given.warmUp)),
        backlogLeft: backlog,
        nothingServed: { p50: floor.p50, p99: floor.p99 },
        atMost: {
          perSecond: Math.round(most.requests.average),
          p50: most.latency.p50,
          p99: most.latency.p99,
          not2xx: most.non2xx,
        },
        cpus: availableParallelism(),
        load: Number(loadavg()[0].toFixed(2)),
      }),
    );
    check('it ends with 0', code === 0, service.log);
    check('each request is answered', result.unanswered === 0 && result.requests === 300 * seconds, result);
    check('no request failed', Object.keys(result.statuses).join() === '200', result.statuses);
    check('nor one of as many as it can answer', most.non2xx + most.errors + most.timeouts === 0, most);
    check('it trained all the time', learned > 0 && backlog > 1000, { learned, backlog });
  });
}

/** The log learned once more, without a stop. */
async function replay(folder) {
  const child = spawn(process.execPath, ['replay.mjs', folder], { cwd: FOLDER, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (text) => (out += text));
  await once(child, 'exit');
  return JSON.parse(out);
}

/** Rows are sent all the time, each batch again until it is acknowledged, while the service is killed. */
async function kills(count) {
  await withFolder(async (folder) => {
    const env = { CHECKPOINT_SECONDS: '1', THREADS: '2' };
    let service = await begun(folder, env);
    let [acknowledged, sent, over] = [2000, 0, false];
    const SIZE = 50;
    const client = (async () => {
      while (!over) {
        try {
          const { status } = await service.ask('/rows', { body: deliveries(acknowledged, SIZE) });
          if (status === 201) acknowledged += SIZE;
          sent++;
        } catch {
          // Whether it was taken nobody knows: the log tells once the service is back.
          await new Promise((resolve) => setTimeout(resolve, 5));
          const { last } = await position(service).catch(() => ({ last: null }));
          if (last !== null) acknowledged = Math.max(acknowledged, last);
        }
      }
    })();
    const times = [];
    for (let i = 0; i < count; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20 + 500 * ((i * 0.618034) % 1)));
      const { signal } = await service.kill('SIGKILL');
      check('killed', signal === 'SIGKILL', service.log);
      service = await Service.start(folder, env);
      const waited = performance.now();
      await service.ready();
      times.push(service.seconds + (performance.now() - waited) / 1000);
    }
    over = true;
    await client;
    const { code } = await service.kill('SIGTERM');
    check('it ends with 0', code === 0, service.log);
    const { same, rows, service: place, once: expected } = await replay(folder);
    times.sort((a, b) => a - b);
    const lost = acknowledged - rows;
    console.log(
      JSON.stringify({
        kills: count,
        rows,
        lost: Math.max(0, lost),
        learned: place.rows,
        sameWeights: same,
        live: place.live,
        resumed: { median: Number(times[Math.floor(times.length / 2)].toFixed(2)), most: Number(times.at(-1).toFixed(2)) },
        requests: sent,
      }),
    );
    check('no row that was acknowledged is lost', lost <= 0, { acknowledged, rows });
    check('each row was learned once: the weights are those of a learner that nobody killed', same, { place, expected });
  });
}

const position = async (service) => {
  const { learned, backlog } = (await service.ask('/health/ready')).json();
  return { last: learned + backlog };
};

/** Memory and handles over many rows, fits and swaps. */
async function soak(rows) {
  await withFolder(async (folder) => {
    const service = await begun(folder, {
      CHECKPOINT_SECONDS: '5',
      MAX_BACKLOG: '1000000000',
      // V8 doubles its young generation at any time of a run, by more than what a leak that counts would add.
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --max-semi-space-size=4`,
    });
    const SIZE = 100;
    const samples = [];
    const began = performance.now();
    for (let i = 2000; i < rows + 2000; i += SIZE) {
      check('rows', (await service.ask('/rows', { body: deliveries(i, SIZE) })).status === 201, service.log);
      // Until no whole block is left, so that each of these requests is a fit.
      while ((await service.ask('/health/ready')).json().backlog > 80);
      if ((i / SIZE) % Math.ceil(rows / SIZE / 200) === 0) {
        samples.push([
          i,
          (await service.metric('process_resident_memory_bytes')) / 2 ** 20,
          await service.metric('nodejs_active_handles_total'),
        ]);
      }
    }
    const half = samples.slice(Math.floor(samples.length / 2));
    // Theil and Sen: of single steps up and down, as a heap makes them, a mean would see a slope.
    const slope = median(half.flatMap(([x, y], i) => half.slice(i + 1).map(([x2, y2]) => (y2 - y) / (x2 - x))));
    console.log(
      JSON.stringify({
        rows,
        fits: await service.metric('service_fits_total'),
        swaps: await service.metric('service_judgments_total{outcome="live"}'),
        seconds: Math.round((performance.now() - began) / 1000),
        residentMiB: Number(median(half.map(([, y]) => y)).toFixed(1)),
        slopeMiBPer100000Rows: Number((1e5 * slope).toFixed(3)),
        handles: { first: half[0][2], last: half.at(-1)[2] },
      }),
    );
    const { code } = await service.kill('SIGTERM');
    check('it ends with 0', code === 0, service.log);
    check('memory does not grow', 1e5 * slope < 1 || rows < 200_000, { slope: 1e5 * slope });
  });
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

async function start() {
  const service = spawn(process.execPath, ['server.mjs'], { cwd: FOLDER, stdio: 'inherit' });
  const { PORT = '8080' } = process.env;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const client = spawn(process.execPath, ['made-up.mjs', `http://127.0.0.1:${PORT}`], { cwd: FOLDER, stdio: 'inherit' });
  const end = () => service.kill('SIGTERM');
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  const [code] = await once(service, 'exit');
  client.kill();
  process.exitCode = code ?? 1;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    kills: { type: 'string', default: '10' },
    rows: { type: 'string', default: '50000' },
  },
});
const tasks = {
  start,
  routes,
  load: () => load(Number(values.seconds)),
  kills: () => kills(Number(values.kills)),
  soak: () => soak(Number(values.rows)),
};
const wanted = positionals.length > 0 ? positionals : ['routes', 'load', 'kills', 'soak'];
for (const name of wanted) {
  if (!tasks[name]) throw new Error(`expected ${Object.keys(tasks).join(', ')}, got ${name}`);
}
try {
  await install();
} catch (error) {
  // A network, or a compiler: not the service.
  console.log(`test:server: skipped, since what examples/server needs cannot be installed here: ${error.message}`);
  process.exit(0);
}
for (const name of wanted) await tasks[name]();
