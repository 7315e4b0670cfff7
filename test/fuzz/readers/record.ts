// record.ts: records of runs, and of searches, line by line: read, and gone on with.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { History } from '../../../lib/history/history.ts';
import { readRecord } from '../../../lib/history/read.ts';
import { Recorder } from '../../../lib/history/write.ts';
import type { Random } from '../../torture/random.ts';
import { havoc, other } from '../make/bytes.ts';
import { perhapsGzipped } from '../make/damaged.ts';
import { bomb } from '../make/gzip.ts';
import { disturbedJson } from '../make/json.ts';
import { drawSearch, goneOnWith } from '../make/search.ts';
import { anyText, disturbed, word } from '../make/text.ts';
import type { Drawn, Input, Reader } from '../spec.ts';
import { limitOf } from './limits.ts';

interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly optimizer: number;
}

/** What the run that goes on trains. */
const OF_A_RUN: Parameter = { name: 'weight', shape: [3, 2], optimizer: 0 };

const HEADER = {
  ...{
    format: 'gradclip record',
    version: 1,
    library: '0.1.0',
    policy: 'globalNorm(1)',
    norm: 2 as const,
    seed: '1',
    threads: 1,
  },
  ...{ optimizers: [{ name: 'adamw', lr: 0.001, eps: 1e-8 }], batchSize: 8, accumulate: 1 },
} as const;

interface Made {
  readonly header: Readonly<Record<string, unknown>> & { readonly perLayer: boolean };
  readonly steps: readonly Readonly<Record<string, unknown>>[];
  /** What happened after the step with the same number; null: nothing. */
  readonly events: readonly (Readonly<Record<string, unknown>> | null)[];
}

const number = (r: Random): number | string =>
  r.chance(0.1) ? r.pick(['NaN', 'Infinity', '-Infinity']) : r.pick([0, 1, r.unit(), r.unit() * 1e9, 1e-300]);

function drawEvent(r: Random, attempt: number, step: number): Readonly<Record<string, unknown>> {
  const hit = { guard: word(r), action: r.pick(['warn', 'skip', 'rollback', 'stop']), name: anyText(r, 8) };
  return r.pick([
    { event: 'validation', attempt, step, metrics: { loss: number(r), [word(r)]: number(r) } },
    { event: 'epoch', attempt, step, epoch: r.between(0, 9), loss: number(r), steps: 3, clipped: 1, skipped: 0 },
    { event: 'guard', attempt, step, ...hit, value: r.chance(0.5) ? null : number(r) },
    { event: 'clock', attempt, time: r.between(0, 1e9), ...(r.chance(0.5) && { machine: anyText(r, 8) }) },
  ]);
}

/** A record of a run, of none to a dozen steps. */
export function record(r: Random, most = 12): Made {
  const named = (): Parameter => ({ name: r.chance(0.1) ? anyText(r, 8) : word(r), shape: [r.between(1, 9), 2], optimizer: 0 });
  const parameters = r.chance(0.3) ? [OF_A_RUN] : Array.from({ length: r.between(1, 3) }, named);
  const perLayer = r.chance(0.5);
  const hasEvents = r.chance(0.6);
  const header = { ...HEADER, ...(hasEvents && { version: 3 }), norm: r.pick([2, null]), parameters, perLayer };
  const start = r.between(1, 3);
  const rates = r.between(0, 2);
  const steps = Array.from({ length: r.between(0, most) }, (_, i) => ({
    ...{
      attempt: start + 2 * i + r.between(0, 1),
      step: i,
      loss: number(r),
      norm: number(r),
      normAfter: number(r),
      scale: number(r),
    },
    ...{ threshold: number(r), clipped: r.chance(0.5), clippedFraction: r.unit(), skipped: r.chance(0.1) },
    ...{ nonFinite: r.chance(0.1) ? word(r) : null, nonFiniteCount: 0 },
    ...(hasEvents && { rates: Array.from({ length: rates }, () => number(r)) }),
    ...(perLayer && { layers: parameters.map(() => number(r)) }),
  }));
  const events = steps.map(({ attempt, step }) => (hasEvents && r.chance(0.3) ? drawEvent(r, attempt + 1, step + 1) : null));
  return { header, steps, events };
}

export const linesOf = ({ header, steps, events }: Made): string[] =>
  [header, ...steps.flatMap((step, i) => (events[i] ? [step, events[i]] : [step]))].map((line) => JSON.stringify(line));

const asNumber = (value: unknown): number => Number(value);

const expected = ({ header, steps, events }: Made): unknown => ({
  length: steps.length,
  loss: steps.map((s) => asNumber(s.loss)),
  norm: steps.map((s) => asNumber(s.norm)),
  threshold: steps.map((s) => asNumber(s.threshold)),
  attempt: steps.map((s) => s.attempt),
  clipped: steps.map((s) => Number(s.clipped)),
  nonFinite: steps.map((s) => s.nonFinite),
  events: events.filter((event) => event !== null).map(({ event, attempt }) => [event, attempt]),
  layers: header.perLayer ? steps.flatMap((s) => (s.layers as unknown[]).map(asNumber)) : null,
});

const plain = ({ length, loss, norm, threshold, attempt, clipped, nonFinite, layers, events = [] }: History): unknown => ({
  length,
  ...{ loss: [...loss], norm: [...norm], threshold: [...threshold], attempt: [...attempt], clipped: [...clipped] },
  nonFinite: [...nonFinite],
  events: events.map(({ event, attempt }) => [event, attempt]),
  layers: layers && [...layers.norms],
});

/** A file that is one no more: of which a line is changed, or the text, or the bytes. */
export function brokenRecord(r: Random, made: Made): Uint8Array {
  const lines = linesOf(made);
  const at = r.between(0, lines.length - 1);
  const change = (now: readonly string[]): string => `${[...lines.slice(0, at), ...now, ...lines.slice(at + 1)].join('\n')}\n`;
  switch (r.between(0, 6)) {
    case 0:
      return havoc(r, Buffer.from(change([lines[at]!])));
    case 1:
      return Buffer.from(disturbed(r, Buffer.from(change([lines[at]!])).toString('latin1')), 'latin1');
    case 2:
      return Buffer.from(change([lines[at]!, r.pick(lines)]));
    case 3:
      return Buffer.from(change(['']));
    case 4:
      return r.chance(0.3) ? other(r) : Buffer.from(change(['x'.repeat(r.pick([1000, 70_000, 400_000]))]));
    default:
      return Buffer.from(change([disturbedJson(r, JSON.parse(lines[at]!))]));
  }
}

function draw(r: Random): Drawn {
  if (r.chance(0.2)) {
    const { bytes, jobs } = drawSearch(r);
    return { files: { 'a.jsonl': bytes }, options: { search: true }, ...(jobs !== null && { expects: { jobs } }) };
  }
  const kind = r.unit();
  const made = record(r, kind < 0.003 ? 3000 : 12);
  const text = Buffer.from(`${linesOf(made).join('\n')}\n`);
  const options = r.chance(0.3) ? { attempt: r.pick([0, 1, 3, 5, 100]) } : {};
  if (kind < 0.3) {
    // A last line that is not ended is being written.
    const rest = r.chance(0.2) ? Buffer.from('{"attempt":99') : new Uint8Array(0);
    const bytes = perhapsGzipped(r, Buffer.concat([text, rest]), false);
    return { files: { 'a.jsonl': bytes }, options: {}, expects: expected(made), unpacked: text.length };
  }
  if (kind < 0.301) {
    const { bytes, unpacked } = bomb(r, text, r.pick(['a', '{}\n', '[', '\n']));
    return { files: { 'a.jsonl': bytes }, options: {}, unpacked };
  }
  return { files: { 'a.jsonl': perhapsGzipped(r, brokenRecord(r, made), true) }, options };
}

/** What a run that goes on does with it. */
function goneOn(file: string, attempt: number): unknown {
  const copy = `${file}.copy`;
  copyFileSync(file, copy);
  new Recorder({ file: copy, header: { ...HEADER, parameters: [OF_A_RUN], perLayer: false }, attempt, sync: true }).closeSync();
  return 'gone on with';
}
function ways({ options }: Input, folder: string): ReturnType<Reader['ways']> {
  const file = join(folder, 'a.jsonl');
  if (options.search === true) return [{ name: 'search that goes on', run: () => goneOnWith(file) }];
  const read = { name: 'readRecord', plain, run: () => readRecord(file, limitOf(options)) };
  if (typeof options.attempt !== 'number') return [read];
  return [read, { name: 'record that goes on', sync: true, run: () => goneOn(file, options.attempt as number) }];
}

export const RECORD: Reader = {
  covers: ['readRecord', 'Trainer.fit', 'Trainer.fitSync', 'tune'],
  reaches: ['history/read.ts', 'history/line.ts', 'history/write.ts', 'io/file/file.ts', 'tune/log.ts'],
  draw,
  ways,
};
