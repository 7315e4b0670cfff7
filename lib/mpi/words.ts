// words.ts: what processes that train together tell each other beside the sums of steps: along a tree, so that as many as 256 of them take 16 messages.
import { groupError } from './error.ts';

/** Errors that all processes have at the same place, or hear of. */
const heard = new WeakSet<object>();
/** `error`, of which all processes know. */
export function known<E>(error: E): E {
  if (typeof error === 'object' && error !== null) heard.add(error);
  return error;
}
/** Whether all processes know of it, so that none waits for one that has failed. */
export const isKnown = (error: unknown): boolean => typeof error === 'object' && error !== null && heard.has(error);

/** Of the add-on: bytes to another process and from it, which does the same. */
export interface Line {
  exchange(peer: number, out: Uint8Array, bytes: number): Promise<ArrayBuffer>;
  exchangeSync(peer: number, out: Uint8Array, bytes: number): ArrayBuffer;
}

/** How a process reaches the others. */
export interface Peers {
  readonly rank: number;
  readonly size: number;
  readonly mpi: Line;
}

/** What one process tells the others, who do the same: now, or later. */
export interface Exchange<T> {
  readonly now: () => T;
  readonly later: () => Promise<T>;
}

/** What a process says about itself beside what it gives. */
export interface Said {
  /** What all must have alike, by what it is; or, where something has failed, `failure` says what. */
  readonly facts: Readonly<Record<string, string>>;
  /** Default: nothing. */
  readonly bytes?: Uint8Array;
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** A message begins with numbers, which say what kind it is and how many bytes follow: so each knows what it gets before it gets it. */
const NUMBERS = 12;
const HEAD = 8 * NUMBERS;
/** How many numbers `largest` takes. */
const OWN = NUMBERS - 2;
const KINDS = { bytes: 1, numbers: 2 } as const;

type Kind = keyof typeof KINDS;
type Step = readonly [peer: number, out: Uint8Array, bytes: number];
type Steps<T> = Generator<Step, T, Uint8Array>;
interface Message {
  readonly numbers: readonly number[];
  readonly body: Uint8Array;
}

/**
 * What each process gives, by rank, where all are at the same place with the same facts.
 * @throws GradclipError ERR_GROUP that names the first fact of which another process has another one, and where another has failed
 */
export function share(peers: Peers, where: string, { facts, bytes = NOTHING }: Said): Exchange<readonly Uint8Array[]> {
  const said = framed([Buffer.from(JSON.stringify(facts)), bytes]);
  const all = (): Steps<readonly Uint8Array[]> => gathered(peers, where, said);
  return exchanged(peers, all, (given) => given.map((part, rank) => partOf(peers, where, facts, part, rank)));
}

/** Whether all processes have the same facts. @throws as `share` */
export function agree(peers: Peers, where: string, facts: Readonly<Record<string, string>>): Exchange<void> {
  const { now, later } = share(peers, where, { facts });
  return { now: () => void now(), later: async () => void (await later()) };
}

/**
 * Of each number the largest that any process gives.
 * @param sums so many of them, the last, are added instead
 * @throws GradclipError ERR_GROUP where another process says something else
 */
export function largest(peers: Peers, where: string, own: readonly number[], sums: number = 0): Exchange<readonly number[]> {
  const numbers = [...own, ...new Array<number>(OWN - own.length).fill(0)];
  const most = own.length - sums;
  const combine = (a: Message, b: Message): Message => ({
    numbers: a.numbers.map((v, i) => (i < most ? Math.max(v, b.numbers[i]!) : v + b.numbers[i]!)),
    body: NOTHING,
  });
  const all = (): Steps<Message> => together(peers, where, 'numbers', { numbers, body: NOTHING }, combine);
  return exchanged(peers, all, (message) => message.numbers.slice(0, own.length));
}

/**
 * What each process gives, by rank, for process 0 alone; null: this is another one. Not along the tree: no other has more than its own.
 * @throws GradclipError ERR_GROUP where another process says something else
 */
export function collect(peers: Peers, where: string, own: Uint8Array): Exchange<readonly Uint8Array[] | null> {
  return exchanged(
    peers,
    () => collected(peers, where, own),
    (found) => found,
  );
}

function* collected(peers: Peers, where: string, own: Uint8Array): Steps<readonly Uint8Array[] | null> {
  if (peers.rank > 0) {
    yield* send('bytes', 0, { numbers: [], body: own });
    return null;
  }
  const all = [own];
  for (let peer = 1; peer < peers.size; peer++) all.push((yield* receive(peers, where, 'bytes', peer)).body);
  return all;
}

/** Steps of a process, performed now or later. */
function exchanged<T, R>({ mpi }: Peers, steps: () => Steps<T>, result: (found: T) => R): Exchange<R> {
  return {
    now: () => {
      const run = steps();
      let next = run.next();
      while (!next.done) next = run.next(new Uint8Array(mpi.exchangeSync(...next.value)));
      return result(next.value);
    },
    later: async () => {
      const run = steps();
      let next = run.next();
      while (!next.done) next = run.next(new Uint8Array(await mpi.exchange(...next.value)));
      return result(next.value);
    },
  };
}

function* gathered(peers: Peers, where: string, own: Uint8Array): Steps<Uint8Array[]> {
  const combine = (a: Message, b: Message): Message => ({ numbers: [], body: joined([a.body, b.body]) });
  const { body } = yield* together(peers, where, 'bytes', { numbers: [], body: framed([own]) }, combine);
  return parts(body);
}

/** From the leaves of a tree to process 0, each what those above it in rank gave; then what came of it back to all. */
function* together(
  peers: Peers,
  where: string,
  kind: Kind,
  own: Message,
  combine: (lower: Message, higher: Message) => Message,
): Steps<Message> {
  const { rank, size } = peers;
  let found = own;
  let bit = 1;
  for (; bit < size && (rank & bit) === 0; bit *= 2) {
    if (rank + bit < size) found = combine(found, yield* receive(peers, where, kind, rank + bit));
  }
  if (rank > 0) {
    yield* send(kind, rank - bit, found);
    found = yield* receive(peers, where, kind, rank - bit);
  }
  for (bit /= 2; bit >= 1; bit /= 2) if (rank + bit < size) yield* send(kind, rank + bit, found);
  return found;
}

function* send(kind: Kind, peer: number, { numbers, body }: Message): Steps<void> {
  const head = new Float64Array(NUMBERS);
  head.set([KINDS[kind], body.length, ...numbers]);
  yield [peer, new Uint8Array(head.buffer), 0];
  if (body.length > 0) yield [peer, body, 0];
}

function* receive({ rank }: Peers, where: string, kind: Kind, peer: number): Steps<Message> {
  const [other, bytes, ...numbers] = new Float64Array((yield [peer, NOTHING, HEAD]).slice().buffer);
  if (other !== KINDS[kind]) {
    const text = `${where}: process ${peer} does something else than process ${rank}: all processes of a group run the same program, and end fits after the same step`;
    throw groupError(text, { rank: peer });
  }
  return { numbers, body: bytes! > 0 ? yield [peer, NOTHING, bytes!] : NOTHING };
}

/** What another process gave, if it is where this one is. */
function partOf({ rank: own }: Peers, where: string, facts: Said['facts'], part: Uint8Array, rank: number): Uint8Array {
  const [said, bytes] = parts(part);
  // Who has failed has an error of its own to throw.
  if (facts.failure !== undefined) return bytes!;
  const theirs = JSON.parse(Buffer.from(said!).toString()) as Said['facts'];
  if (theirs.failure !== undefined) throw known(groupError(`${where}: process ${rank}: ${theirs.failure}`, { rank }));
  const what = Object.keys({ ...facts, ...theirs }).find((name) => facts[name] !== theirs[name]);
  if (what === undefined) return bytes!;
  const text = `${where}: process ${own} has other ${what} than process ${rank}: ${facts[what]} and ${theirs[what]}`;
  throw known(groupError(`${text}; all processes of a group run the same program on the same data`, { what, rank }));
}

/** Parts one after the other, each after its length. */
function framed(all: readonly Uint8Array[]): Uint8Array {
  return joined(all.flatMap((part) => [new Uint8Array(Float64Array.of(part.length).buffer), part]));
}
function parts(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [length] = new Float64Array(bytes.slice(at, at + 8).buffer);
    // A copy begins where its numbers may.
    found.push(bytes.slice(at + 8, at + 8 + length!));
    at += 8 + length!;
  }
  return found;
}
function joined(all: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of all) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
