// tables.ts: what `npm run -s check:hosts` prints, as docs/SCALE.md has it.
import { short } from '../../lib/cli/bench/sample.ts';
import { type Constants, type Expected, exchangeMs, faster, paysTo, wider } from './model.ts';

/** What an exchange of two hosts takes, by what it carries. */
export interface Link extends Constants {
  readonly library: string;
  /** What their cable is held down to; null: nothing. */
  readonly gigabits: number | null;
  readonly times: readonly (readonly [bytes: number, ms: number])[];
}

/** A step of two hosts, each with half of the batch and one thread. */
export interface Stepped {
  readonly workload: string;
  readonly params: number;
  readonly library: string;
  readonly gigabits: number | null;
  /** Milliseconds that it takes but for what travels, as two processes that share memory have it. */
  readonly own: number;
  readonly ms: number;
}

/** A step of one host, with the whole batch and all of its cores; a part of it is the update. */
export interface Alone {
  readonly workload: string;
  readonly params: number;
  readonly ms: number;
  readonly updateMs: number;
}

export interface Measured {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly links: readonly Link[];
  readonly steps: readonly Stepped[];
  readonly alone: readonly Alone[];
}

export const HOSTS: readonly number[] = [2, 4, 8, 16, 32, 64, 128, 256];
/** Networks that nobody has measured here: with hosts that copy as those that were measured, or as fast as the line. */
const NETWORKS = [
  { gigabits: 10, copies: 'measured', name: '10 Gbit/s' },
  { gigabits: 100, copies: 'measured', name: '100 Gbit/s' },
  { gigabits: 100, copies: 'line', name: '100 Gbit/s, fast hosts' },
] as const;
/** Bytes a millisecond, of gigabits a second. */
const lineRate = (gigabits: number): number => gigabits * 125_000;

const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
const rateName = (gigabits: number | null): string => (gigabits === null ? 'not held down' : `${gigabits} Gbit/s`);
const sizeName = (bytes: number): string => (bytes < 1e6 ? `${short(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
/** Three digits, and no more than a tenth. */
const ms = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(2));

export function linksTable(links: readonly Link[]): string {
  const sizes = links[0]!.times.map(([bytes]) => sizeName(bytes));
  return table(
    ['library', 'cable', ...sizes, 'alpha, us', 'beta, MB/s'],
    links.map(({ library, gigabits, times, alpha, beta }) => [
      ...[library, rateName(gigabits), ...times.map(([, time]) => ms(time))],
      ...[(1000 * alpha).toFixed(0), (beta / 1000).toFixed(0)],
    ]),
  );
}

function stepsTable({ links, steps }: Pick<Measured, 'links' | 'steps'>): string {
  const rows = steps.map(({ workload, params, library, gigabits, own, ms: found }) => {
    const link = links.find((one) => one.library === library && one.gigabits === gigabits)!;
    const expected = own + exchangeMs(link, 4 * params, 2);
    const text = [workload, sizeName(4 * params), library, rateName(gigabits), ms(own), ms(expected), ms(found)];
    return [...text, (found / expected).toFixed(2)];
  });
  return table(['workload', 'gradients', 'library', 'cable', 'own, ms', 'model, ms', 'measured, ms', 'ratio'], rows);
}

/**
 * Constants of a network of so many gigabits: the part of the line's rate that was seen where it was held down, and no more than the hosts copy where it
 * was not; the time of an exchange that carries nothing as it was there.
 */
export function constantsAt(links: readonly Link[], gigabits: number, copies: 'measured' | 'line'): Constants {
  const best = (some: readonly Link[]): Link => some.reduce((a, b) => (b.beta > a.beta ? b : a));
  const free = best(links.filter((link) => link.gigabits === null));
  const held = best(links.filter((link) => link.gigabits !== null && link.library === free.library));
  const share = held.beta / lineRate(held.gigabits!);
  const line = share * lineRate(gigabits);
  return { alpha: free.alpha, beta: copies === 'line' ? line : Math.min(line, free.beta) };
}

/** Steps on many hosts: of batches that grow with their number, then of one batch that they share. */
function hostsTables({ links, alone }: Pick<Measured, 'links' | 'alone'>): string[] {
  const head = ['workload', 'gradients', 'one host, ms', 'network', ...HOSTS.map(String), 'pays to'];
  const of = (expect: (constants: Constants, one: Alone) => readonly Expected[]): string =>
    table(
      head,
      alone.flatMap((one) =>
        NETWORKS.map(({ gigabits, copies, name }) => {
          const expected = expect(constantsAt(links, gigabits, copies), one);
          const cells = expected.map(({ ms: step, gain }) => `${ms(step)} (${gain >= 10 ? gain.toFixed(0) : gain.toFixed(1)})`);
          return [one.workload, sizeName(4 * one.params), ms(one.ms), name, ...cells, paysTo(expected)];
        }),
      ),
    );
  return [
    of((constants, { params, ms: step }) => wider(constants, 4 * params, step, HOSTS)),
    of((constants, { params, ms: step, updateMs }) => faster(constants, 4 * params, [step, updateMs], HOSTS)),
  ];
}

const WIDER =
  'Each host has a batch as large as that of one. A cell: milliseconds, and how many times as many rows a second as one\nhost';
const FASTER = 'All hosts share the batch of one. A cell: milliseconds, and how many times as fast as one host';

/** By the name of the place that they have in docs/SCALE.md. */
export function tablesOf(measured: Measured): Readonly<Record<'measured' | 'many', string>> {
  const { date, cpu, cores } = measured;
  const about = `${cpu}, ${cores} cores for both hosts, ${date}; an exchange of so many bytes in each direction, ms:`;
  const steps =
    'Whole steps of two hosts of one thread, each with half of the batch; `own` is a step without what travels, as two\nprocesses with common memory have it:';
  // What many hosts take follows from a cable that is held down, and one that is not.
  const all = [true, false].every((held) => measured.links.some(({ gigabits }) => (gigabits !== null) === held));
  const [wide, fast] = all ? hostsTables(measured) : ['', ''];
  return {
    measured: [about, linksTable(measured.links), steps, stepsTable(measured)].join('\n\n'),
    many: all ? [`${WIDER}:`, wide, `${FASTER}:`, fast].join('\n\n') : 'Steps on many hosts take two cables: --rates none,1',
  };
}

/** A page with these tables in their places. @throws Error where it lacks one */
export function putTables(page: string, measured: Measured): string {
  return Object.entries(tablesOf(measured)).reduce((text, [name, tables]) => {
    const place = new RegExp(`(<!-- table hosts: ${name} -->\\n)[\\s\\S]*?(<!-- end -->)`);
    if (!place.test(text)) throw new Error(`hosts: the page has no place <!-- table hosts: ${name} -->`);
    return text.replace(place, (_, from: string, to: string) => `${from}\n${tables}\n\n${to}`);
  }, page);
}
