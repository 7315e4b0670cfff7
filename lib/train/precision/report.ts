// report.ts: what `trainer.precision` gives: its figures, what of them is wrong, and the tables that people read.
import { printAs } from '../../errors/inspect.ts';
import { count, short, table } from '../../text/format.ts';
import { over } from './compared.ts';
import { findingsOf } from './findings.ts';
import type {
  Measured,
  NormsByOrder,
  ParameterPrecision,
  PrecisionFinding,
  RoundingErrors,
  ScaledLoss,
  ValueRange,
} from './measured.ts';
import { cosine, error, most, share, size } from './words.ts';

/** Parameters of a table: of more, those that are off most. */
const SHOWN = 12;

/** What `trainer.precision` gives. `String(...)` and `console.log` show tables, and below them what they say. */
export class PrecisionReport {
  /** How many rows a batch has. */
  readonly rows: number;
  /** How many batches were computed. */
  readonly batches: number;
  /** As a step of training has them, or as `evaluate`. */
  readonly mode: 'train' | 'eval';
  /** The trainer's `lossScale`, as of now: gradients in f32 and bf16 are computed with it. 1: it has none. */
  readonly lossScale: number;
  /** What f32 does to loss and gradients. */
  readonly f32: RoundingErrors;
  /** The same with products in bf16; null where that was not asked for. */
  readonly bf16: RoundingErrors | null;
  /** The norm of all gradients, by how squares are added. */
  readonly norms: NormsByOrder;
  /** How large weights are, what the forward pass computes, and what the backward pass does. */
  readonly values: Readonly<Record<'weights' | 'activations' | 'gradients', ValueRange>>;
  /** What scales of the loss would change, in f32 and in f16. */
  readonly scaled: readonly ScaledLoss[];
  /** What f32 does to loss and gradients under the scale that `scaled` says; null where it says none. */
  readonly withScale: RoundingErrors | null;
  /** What is worth knowing, warnings first. */
  readonly findings: readonly PrecisionFinding[];
  /** One line: whether f32 loses anything that matters. */
  readonly verdict: string;
  /** Floating-point operations in f64, of all batches. */
  readonly flops: number;
  /** Milliseconds that all of it took. */
  readonly ms: number;

  constructor(measured: Measured) {
    this.rows = measured.rows;
    this.batches = measured.batches;
    this.mode = measured.mode;
    this.lossScale = measured.lossScale;
    this.f32 = measured.f32;
    this.bf16 = measured.bf16;
    this.norms = measured.norms;
    this.values = measured.values;
    this.scaled = measured.scaled;
    this.withScale = measured.withScale;
    this.findings = findingsOf(measured);
    this.verdict = verdictOf(this);
    this.flops = measured.flops;
    this.ms = measured.ms;
  }

  /** Those of the findings that say that something is wrong. */
  get warnings(): readonly PrecisionFinding[] {
    return this.findings.filter(({ level }) => level === 'warning');
  }

  /** The tables as text, each with a line that says what it means, and the verdict. */
  toString(): string {
    const { rows, batches, mode, f32, bf16 } = this;
    const batch = `${batches === 1 ? 'a batch' : `${count(batches)} batches`} of ${count(rows)} ${rows === 1 ? 'row' : 'rows'}`;
    const scale = this.lossScale === 1 ? '' : ` (lossScale ${this.lossScale})`;
    const as = mode === 'train' ? 'as the next step of training' : 'as evaluate';
    const findings = this.findings.map(({ level, text }) => `- ${level}: ${text}`);
    return [
      `${batch}, computed ${as} would${scale}, and once more in f64`,
      '',
      ...roundingLines('f32', f32),
      ...(bf16 ? ['', ...roundingLines('bf16', bf16)] : []),
      '',
      ...this.#normLines(),
      '',
      ...this.#valueLines(),
      '',
      ...this.#scaleLines(),
      '',
      this.verdict,
      ...findings,
    ].join('\n');
  }

  #normLines(): string[] {
    const { exact, f64, pairwise, forward } = this.norms;
    const row = (what: string, norm: number, off: number): string[] => [what, norm.toPrecision(8), error(off)];
    return [
      'Norm of all gradients together, by how their squares are added: what a clip by norm compares with its threshold',
      ...table(
        [
          ['  squares added', 'norm', 'off by'],
          row('  in f64, of gradients in f64', exact, over(Math.abs(exact - f64), f64)),
          row('  in f64, of gradients in f32: as here', f64, 0),
          row('  in f32, pairwise', pairwise.norm, pairwise.error),
          row('  in f32, one after the other', forward.norm, forward.error),
        ],
        ['left', 'right', 'right'],
      ),
    ];
  }

  #valueLines(): string[] {
    const { weights, activations, gradients } = this.values;
    const line = (what: string, of: (range: ValueRange) => string): string[] => [
      `  ${what}`,
      ...[weights, activations, gradients].map(of),
    ];
    return [
      'How large numbers are, and the share of them (but zeros) that formats cannot hold',
      ...table(
        [
          ['', 'weights', 'forward pass', 'backward pass'],
          line('how many', (v) => count(v.elements)),
          line('of them 0', (v) => count(v.zeros)),
          line('largest', (v) => short(v.largest)),
          line('smallest but 0', (v) => short(v.smallest)),
          line('f32: too small for all digits', (v) => share(v.f32.below)),
          line('f32: becomes 0', (v) => share(v.f32.lost)),
          line('f32: becomes infinite', (v) => share(v.f32.above)),
          line('bf16: becomes 0', (v) => share(v.bf16.lost)),
          line('f16: too small for all digits', (v) => share(v.f16.below)),
          line('f16: becomes 0', (v) => share(v.f16.lost)),
          line('f16: becomes infinite', (v) => share(v.f16.above)),
        ],
        ['left', 'right', 'right', 'right'],
      ),
    ];
  }

  #scaleLines(): string[] {
    const rows = this.scaled.map(({ format, power, without, withIt }) => [
      `  ${format}`,
      ...[without.below, without.lost].map(share),
      ...(power === 0 ? ['none', '', ''] : [`2 ** ${power}`, share(withIt.below), share(withIt.lost)]),
    ]);
    return [
      'What a scale of the loss would change (option lossScale): the share of the backward pass that is too small',
      ...table(
        [['  in', 'lose digits', 'become 0', 'scale', 'lose digits', 'become 0'], ...rows],
        ['left', 'right', 'right', 'right', 'right', 'right'],
      ),
    ];
  }
}

printAs(PrecisionReport, function () {
  return this.toString();
});

function roundingLines(format: string, r: RoundingErrors): string[] {
  const { parameters } = r;
  const rank = (p: ParameterPrecision): number => (Number.isNaN(p.error) ? Infinity : p.cancels ? -1 : p.error);
  const worst = parameters.length <= SHOWN ? null : new Set([...parameters].sort((a, b) => rank(b) - rank(a)).slice(0, SHOWN));
  const shown = parameters.filter((p) => !worst || worst.has(p));
  const rest = worst ? parameters.filter((p) => !worst.has(p)) : [];
  const row = (p: ParameterPrecision): string[] => [
    `  ${p.name}`,
    count(p.elements),
    short(p.norm),
    ...(p.cancels ? ['rounding', '', ''] : [error(p.error), error(p.largestError), cosine(p.cosine)]),
  ];
  const most = rest.reduce((a, p) => Math.max(a, rank(p)), 0);
  return [
    `Gradients in ${format}: off by, over what they are in f64: all elements together (2-norms), and the one that is off most`,
    ...table(
      [
        ['  parameter', 'elements', 'norm', 'off by', 'at most', 'cosine'],
        ...shown.map(row),
        ...(rest.length > 0 ? [[`  ${count(rest.length)} more`, '', '', `<= ${short(most)}`]] : []),
        ['  all', count(parameters.reduce((n, p) => n + p.elements, 0)), '', error(r.error), '', cosine(r.cosine)],
      ],
      ['left', 'right', 'right', 'right', 'right', 'right'],
    ),
    `Loss in ${format}: ${r.loss.toPrecision(9)}, in f64 ${r.exactLoss.toPrecision(9)}, off by ${error(r.lossError)}`,
  ];
}

function verdictOf({ f32, bf16, findings }: Pick<PrecisionReport, 'f32' | 'bf16' | 'findings'>): string {
  const warnings = findings.filter(({ level }) => level === 'warning');
  const one = warnings.length === 1;
  if (warnings.length > 0) return `precision loses something here: ${one ? '1 warning' : `${count(warnings.length)} warnings`}`;
  const right = f32.parameters.filter((p) => !p.cancels);
  const worst =
    right.length === 0
      ? ''
      : ` (${most(right, (p) => p.error).name}, which is off most, to ${short(most(right, (p) => p.error).error)})`;
  return `f32 loses nothing that matters here: gradients are right to ${short(f32.error)} of their norm${worst}, the loss to ${short(f32.lossError)}${bf16 ? `; with products in bf16 gradients are right to ${size(bf16.error)}` : ''}`;
}
