// serve.ts: the page of a run on a port of this machine, for several browsers, each of which is sent the parts that change.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OptionError } from '../../errors.ts';
import { type Drawn, type LivePage, SCRIPT } from './live.ts';

const HOST = '127.0.0.1';
/** Browsers at a time. */
const MOST_CLIENTS = 32;
/** Bytes that a browser may be behind: it gets all parts anew when it has read them. */
const MOST_BEHIND = 1 << 22;
/** Between two lines that say that the connection is still there. */
const ALIVE_MS = 15_000;

/** Nothing is loaded from elsewhere, and nobody else may show the page. Positions of what is drawn are styles of elements. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
} as const;

interface Client {
  readonly response: ServerResponse;
  behind: boolean;
}

export class Serving {
  readonly #page: LivePage;
  readonly #server: Server;
  readonly #clients = new Set<Client>();
  #state: string;
  #alive: NodeJS.Timeout | null = null;

  constructor(page: LivePage, state: string) {
    this.#page = page;
    this.#state = state;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /**
   * @param port 0: any that is free
   * @param usual another one is taken where this is not free
   * @returns where the page is
   */
  async listen(port: number, usual: boolean): Promise<string> {
    try {
      await this.#listen(port);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && usual) await this.#listen(0);
      else {
        const why = code === 'EADDRINUSE' ? 'another program has it; 0 takes one that is free' : message;
        throw new OptionError(`--port: ${port}: ${why}`, { port, code }, { cause: error });
      }
    }
    this.#alive = setInterval(() => {
      for (const { response } of this.#clients) response.write(': still here\n\n');
    }, ALIVE_MS);
    return `http://${HOST}:${this.#port}/`;
  }

  #listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, HOST, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Browsers that are there. */
  get clients(): number {
    return this.#clients.size;
  }

  /** To all browsers. */
  tell(parts: readonly Drawn[]): void {
    if (parts.length === 0) return;
    const text = parts.map(partText).join('');
    for (const client of this.#clients) this.#send(client, text);
  }

  /** What pages say about the file. */
  set state(state: string) {
    if (state === this.#state) return;
    this.#state = state;
    for (const client of this.#clients) this.#send(client, stateText(state));
  }

  /** No connection is left. */
  async close(): Promise<void> {
    if (this.#alive) clearInterval(this.#alive);
    for (const { response } of this.#clients) response.end();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #send(client: Client, text: string): void {
    const { response } = client;
    if (client.behind) return;
    response.write(text);
    if (response.writableLength <= MOST_BEHIND) return;
    client.behind = true;
    response.once('drain', () => {
      client.behind = false;
      response.write(stateText(this.#state) + this.#page.parts.map(partText).join(''));
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const reply = this.#replyTo(request);
    if (reply === null) {
      this.#follow(request, response);
      return;
    }
    send(request, response, reply);
  }

  /** Null: it is followed. */
  #replyTo({ method, headers, url = '/' }: IncomingMessage): Reply | null {
    // A name that somebody else's page has made point here is not ours.
    const names = [`${HOST}:${this.#port}`, `localhost:${this.#port}`];
    if (!names.includes(headers.host ?? '')) return plain(403, `This page is at http://${names[0]}/`);
    if (method !== 'GET' && method !== 'HEAD') {
      return { ...plain(405, 'There is nothing to be changed here.'), more: { Allow: 'GET, HEAD' } };
    }
    switch (url.split('?', 1)[0]) {
      case '/':
        return { code: 200, type: 'text/html', text: this.#page.html(this.#state) };
      case '/live.js':
        return { code: 200, type: 'text/javascript', text: SCRIPT };
      // Browsers ask for it.
      case '/favicon.ico':
        return { code: 204, type: 'image/x-icon', text: '' };
      case '/events':
        if (method === 'HEAD') break;
        return this.#clients.size < MOST_CLIENTS ? null : plain(503, `There are ${MOST_CLIENTS} browsers already.`);
    }
    return plain(404, 'There is no such page.');
  }

  #follow({ url }: IncomingMessage, response: ServerResponse): void {
    const after = Number(new URLSearchParams(url?.split('?')[1]).get('after') ?? 0);
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' });
    const client: Client = { response, behind: false };
    this.#clients.add(client);
    response.on('close', () => this.#clients.delete(client));
    const missed = this.#page.parts.filter(({ version }) => !(version <= after));
    this.#send(client, `retry: 2000\n\n${stateText(this.#state)}${missed.map(partText).join('')}`);
  }
}

interface Reply {
  readonly code: number;
  readonly type: string;
  readonly text: string;
  readonly more?: Readonly<Record<string, string>>;
}

const plain = (code: number, text: string): Reply => ({ code, type: 'text/plain', text: `${text}\n` });

function send({ method }: IncomingMessage, response: ServerResponse, { code, type, text, more }: Reply): void {
  const length = code === 204 ? {} : { 'Content-Type': `${type}; charset=utf-8`, 'Content-Length': Buffer.byteLength(text) };
  response.writeHead(code, { ...HEADERS, ...length, ...more });
  response.end(method === 'HEAD' || code === 204 ? undefined : text);
}

const partText = ({ id, html }: Drawn): string => `event: part\ndata: ${JSON.stringify({ id, html })}\n\n`;
const stateText = (state: string): string => `event: state\ndata: ${JSON.stringify(state)}\n\n`;
