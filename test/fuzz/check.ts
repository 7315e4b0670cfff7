// check.ts: an input is read in all ways there are: each gives something or one error of the library, soon, with little memory, and all the same.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { GradclipError } from '../../lib/errors.ts';
import { collect, longestTurn, measure, type Reading } from './measure.ts';
import { Refused } from './readers/commands.ts';
import { READERS } from './readers/index.ts';
import {
  Broken,
  type Drawn,
  type Failure,
  type Input,
  type Kind,
  MAX_BYTES,
  type Outcome,
  type Reader,
  type Way,
} from './spec.ts';

export interface Limits {
  readonly ms: number;
  /** Memory beside ten times what is unpacked. */
  readonly bytes: number;
  /** A turn of the event loop, of readers that are awaited. */
  readonly turn: number;
  /** Characters of an error's message. */
  readonly message: number;
}
export const LIMITS: Limits = { ms: 2000, bytes: 64 << 20, turn: 100, message: 10_000 };

/** A call that is above a limit has to be so each time: others use the machine too. */
const TRIES = 3;

/** @param folder for the files of the input, which are gone afterwards */
export async function check(
  input: Input & Drawn,
  folder: string,
  readers: Readonly<Record<string, Reader>> = READERS,
  limits: Limits = LIMITS,
): Promise<Outcome> {
  const there = join(folder, 'input');
  mkdirSync(there, { recursive: true });
  for (const [name, bytes] of Object.entries(input.files)) writeFileSync(join(there, name), bytes);
  try {
    return await new Check(input, limits).all(await readers[input.reader]!.ways(input, there));
  } catch (error) {
    return { failure: { kind: 'broken', way: 'ways', message: told(error) }, said: [], ms: 0, bytes: 0 };
  } finally {
    for (const name of Object.keys(input.files)) rmSync(join(there, name), { recursive: true, force: true });
  }
}

class Check {
  readonly #input: Input & Drawn;
  readonly #limits: Limits;
  readonly #most: number;
  readonly #said = new Set<string>();
  #ms = 0;
  #bytes = 0;

  constructor(input: Input & Drawn, limits: Limits) {
    this.#input = input;
    this.#limits = limits;
    const given = Object.values(input.files).reduce((sum, { length }) => sum + length, 0);
    const unpacked = Math.min(MAX_BYTES, Math.max(given, input.unpacked ?? 0));
    this.#most = limits.bytes + 10 * unpacked;
  }

  async all(ways: readonly Way[]): Promise<Outcome> {
    const first = new Map<string, readonly [Way, Reading]>();
    for (const way of ways) {
      const raw = await measure(() => way.run());
      const found = way.plain && !('error' in raw) ? { ...raw, value: way.plain(raw.value as never) } : raw;
      const fault = await this.#faultOf(way, found, first.get(way.alike ?? way.name));
      if (fault) return this.#outcome({ way: way.name, ...fault });
      if (way.alike !== undefined && !first.has(way.alike)) first.set(way.alike, [way, found]);
    }
    return this.#outcome(null);
  }

  async #faultOf(way: Way, found: Reading, other: readonly [Way, Reading] | undefined): Promise<Fault | null> {
    this.#ms = Math.max(this.#ms, found.ms);
    this.#bytes = Math.max(this.#bytes, found.bytes);
    const fault = 'error' in found ? this.#errorFault(way, found.error) : this.#valueFault(way, found.value);
    if (fault) return fault;
    // Of a limit that was drawn the ways through memory know nothing.
    if (other && !('maxBytes' in this.#input.options) && !sameOutcome(found, other[1])) {
      return { kind: 'differs', message: `${other[0].name}: ${said(other[1])}\n${way.name}: ${said(found)}` };
    }
    return this.#limitFault(way, found);
  }

  #errorFault(way: Way, error: unknown): Fault | null {
    if (error instanceof Broken) return { kind: 'broken', message: error.message };
    if (!(error instanceof GradclipError || error instanceof Refused)) return { kind: 'throws', message: told(error) };
    this.#said.add(error.code);
    const bad = error instanceof GradclipError && messageFault(error.message, this.#limits.message);
    if (bad) return { kind: 'message', message: bad };
    return this.#knows(way) ? { kind: 'refused', message: `${error.code}: ${error.message}` } : null;
  }

  #valueFault(way: Way, value: unknown): Fault | null {
    this.#said.add('accepted');
    if (!this.#knows(way) || isDeepStrictEqual(value, this.#input.expects)) return null;
    return { kind: 'wrong', message: `expected ${brief(this.#input.expects)}\ngot ${brief(value)}` };
  }

  #knows(way: Way): boolean {
    return 'expects' in this.#input && way.partial !== true;
  }

  async #limitFault(way: Way, { ms, bytes, busy }: Reading): Promise<Fault | null> {
    const limits = this.#limits;
    if (ms > limits.ms && (await least(() => measure(() => way.run()).then((m) => m.ms), limits.ms)) > limits.ms) {
      return { kind: 'slow', message: `${Math.round(ms)} ms` };
    }
    if (bytes > this.#most && (await least(() => measure(() => way.run()).then((m) => m.bytes), this.#most)) > this.#most) {
      return { kind: 'memory', message: `${mib(bytes)} MiB, at most ${mib(this.#most)} may be` };
    }
    if (way.sync || busy <= limits.turn) return null;
    const turn = await least(() => longestTurn(() => way.run()), limits.turn);
    return turn > limits.turn ? { kind: 'blocks', message: `no turn of the event loop for ${Math.round(turn)} ms` } : null;
  }

  #outcome(failure: Failure | null): Outcome {
    return { failure, said: [...this.#said], ms: this.#ms, bytes: this.#bytes };
  }
}

type Fault = { readonly kind: Kind; readonly message: string };

const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);

/** The least of a few tries; the first that is low enough ends it. */
async function least(run: () => Promise<number>, enough: number): Promise<number> {
  let found = Number.POSITIVE_INFINITY;
  for (let k = 1; k < TRIES && found > enough; k++) {
    collect();
    found = Math.min(found, await run());
  }
  return found;
}

function sameOutcome(a: Reading, b: Reading): boolean {
  if ('error' in a !== 'error' in b) return false;
  if ('error' in a) return (a.error as GradclipError).code === (b.error as GradclipError).code;
  return isDeepStrictEqual(a.value, b.value);
}

const said = (m: Reading): string => ('error' in m ? told(m.error) : brief(m.value));

const told = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : `thrown: ${String(error)}`);

const brief = (value: unknown): string => {
  const text = JSON.stringify(value, (_, v) => (typeof v === 'number' && !Number.isFinite(v) ? String(v) : v)) ?? String(value);
  return text.length > 600 ? `${text.slice(0, 600)}...` : text;
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

function messageFault(message: string, most: number): string | null {
  if (message === '') return 'an error without a message';
  if (message.length > most) return `a message of ${message.length} characters: ${message.slice(0, 300)}...`;
  const control = CONTROL.exec(message);
  return control && `a control character in a message: ${JSON.stringify(message.slice(0, 300))}`;
}
