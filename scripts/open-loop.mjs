// open-loop.mjs: requests at a fixed rate, whatever the answers do: each is sent when it is due, and its latency counts from then, so that a server which
// stops for a while is charged for every request that came meanwhile. A client in a closed loop waits with it, and does not see that.
//   node open-loop.mjs '{ "url", "path", "headers", "bodies", "rate", "seconds", "warmUp" }'   prints one line of JSON
import { connect } from 'node:net';

const { url, path, headers, bodies, rate, seconds, warmUp } = JSON.parse(process.argv[2]);
const { hostname, port } = new URL(url);
const requests = bodies.map((body) => {
  const all = { host: `${hostname}:${port}`, ...headers, 'content-length': Buffer.byteLength(body) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
});

/** One connection, with at most one request under way: `done` takes the status of its answer, or null where it broke. */
class Connection {
  #socket;
  #done = null;
  #text = '';

  static async open() {
    const one = new Connection();
    await one.#open();
    return one;
  }

  async #open() {
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await new Promise((resolve, reject) => this.#socket.once('connect', resolve).once('error', reject));
    this.#socket.on('data', (bytes) => this.#take(bytes.toString('latin1')));
    this.#socket.on('error', () => this.#end(null));
    this.#socket.on('close', () => this.#end(null));
  }

  send(request, done) {
    this.#done = done;
    this.#socket.write(request);
  }

  close() {
    this.#done = null;
    this.#socket.destroy();
  }

  /** An answer is whole once as many bytes are there as its header says. */
  #take(text) {
    this.#text += text;
    const head = this.#text.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1] ?? Number.NaN);
    if (Number.isNaN(length)) throw new Error(`an answer without a length: ${this.#text.slice(0, 200)}`);
    if (this.#text.length < head + 4 + length) return;
    const status = Number(this.#text.slice(9, 12));
    this.#text = '';
    this.#end(status);
  }

  #end(status) {
    const done = this.#done;
    this.#done = null;
    done?.(status);
  }
}

const idle = await Promise.all(Array.from({ length: 20 }, () => Connection.open()));
const [latencies, lags, statuses] = [[], [], {}];
let [next, open, opened] = [0, 0, idle.length];
const count = Math.round(rate * (warmUp + seconds));
const began = performance.now() + 10;
const due = (i) => began + (1000 * i) / rate;

async function ask(i) {
  open++;
  let connection = idle.pop();
  if (!connection) {
    opened++;
    connection = await Connection.open();
  }
  const counts = i >= rate * warmUp;
  if (counts) lags.push(performance.now() - due(i));
  connection.send(requests[i % requests.length], (status) => {
    if (counts) {
      latencies.push(performance.now() - due(i));
      statuses[status ?? 'broken'] = (statuses[status ?? 'broken'] ?? 0) + 1;
    }
    open--;
    if (status !== null) idle.push(connection);
  });
}

while (next < count) {
  const wait = due(next) - performance.now();
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  while (next < count && due(next) <= performance.now()) void ask(next++);
}
const end = performance.now() + 10_000;
while (open > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
for (const connection of idle) connection.close();
const at = (list, share) =>
  Number(list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(share * list.length))].toFixed(2));
console.log(
  JSON.stringify({
    requests: latencies.length,
    p50: at(latencies, 0.5),
    p90: at(latencies, 0.9),
    p99: at(latencies, 0.99),
    max: at(latencies, 1),
    sentLate: { p50: at(lags, 0.5), p99: at(lags, 0.99) },
    statuses,
    unanswered: open,
    connections: opened,
  }),
);
process.exit(0);
