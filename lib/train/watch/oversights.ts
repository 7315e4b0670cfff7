// oversights.ts: what nobody may have meant of a run as a whole: the loss cannot move a parameter, no weight has changed, the gradient or a learning rate
// was always 0, threads were fewer.
import { addon } from '../../native/addon.ts';
import { whyLeftOut } from '../../optim/apply/report.ts';
import type { Running } from '../flow/running.ts';
import type { Warnings } from '../flow/warnings.ts';
import type { Heard } from '../state/setup.ts';
import type { TracedStep, Unreached } from '../step/step.ts';
import type { Rates } from './rates.ts';
import type { Tally } from './tally.ts';
import type { ChunkFacts, Ending, Watcher } from './watcher.ts';

export class Oversights implements Watcher, Heard {
  readonly name = 'oversights';
  readonly #running: Running;
  readonly #tally: Tally;
  readonly #rates: Rates;
  readonly #threadsAsked: boolean;
  /** Whether any step of the run keeps activations as bf16; null: none is to. */
  #keeps: boolean | null = null;

  /** @param threadsAsked the number of threads was asked for: who gets fewer gets a warning */
  constructor(running: Running, tally: Tally, rates: Rates, threadsAsked: boolean) {
    this.#running = running;
    this.#tally = tally;
    this.#rates = rates;
    this.#threadsAsked = threadsAsked;
  }

  steps(_: unknown, { asked, threads, step }: ChunkFacts): void {
    if (!this.#threadsAsked || threads >= asked) return;
    const why = 'other runs of this process have the rest, or the system gives no more';
    const details = { name: 'threads', step, asked, got: threads };
    this.#running.warnings.add('fewerThreads', `fit: expected ${asked} threads, got ${threads}: ${why}`, details);
  }

  end({ error }: Ending): void {
    if (error !== null) return;
    const { tried, applied, moved } = this.#tally;
    if (tried > 0 && applied === 0) this.#warnOfNothingApplied();
    else if (tried > 0 && !moved) this.#warnOfZeroGradient();
    if (this.#keeps === false) this.#warnOfNothingKept();
    if (applied > 0) this.#rates.end(this.#running.counters.step, tried);
  }

  traced(traced: TracedStep): void {
    // A shorter last batch may keep nothing.
    if (traced.keeps !== null) this.#keeps = this.#keeps === true || traced.keeps;
    warnOfStep(this.#running.warnings, traced, this.#running.counters.step);
  }

  /** A group has this learning rate in a step. */
  rate(group: number, lr: number, step: number): void {
    this.#rates.see(group, lr, step);
  }

  #warnOfNothingApplied(): void {
    const { tried, last } = this.#tally;
    const hit = last?.guards?.find(({ action }) => action === 'skip');
    const why = last?.nonFinite
      ? `the gradient of ${last.nonFinite} was not finite`
      : hit
        ? `${hit.guard} found ${hit.name} to be ${hit.value}`
        : last
          ? whyLeftOut(last)
          : 'a guard took it back';
    const steps = tried === 1 ? 'the only step of the run was' : `all ${tried} steps of the run were`;
    const message = `fit: no weight has changed: ${steps} skipped, the last since ${why}`;
    this.#running.warnings.add('nothingApplied', message, { name: 'fit', step: this.#running.counters.step, tried });
  }

  #warnOfNothingKept(): void {
    const why =
      'what the forward pass computes is too small, or read again too soon, to be worth it: larger batches or layers, or f32, which is the same here';
    const details = { name: 'activations', step: this.#running.counters.step };
    this.#running.warnings.add('nothingKept', `fit: activations bf16 has no effect: ${why}`, details);
  }

  #warnOfZeroGradient(): void {
    const { tried } = this.#tally;
    const why =
      'the loss is constant where the weights are, as behind a clamp, units that are all dead, or labels that are all ignored';
    const steps = tried === 1 ? 'the only step' : `all ${tried} steps`;
    const message = `fit: the gradient was 0 in ${steps} of the run: ${why}`;
    this.#running.warnings.add('zeroGradient', message, { name: 'fit', step: this.#running.counters.step, tried });
  }
}

/** Instruction sets that have products of bf16. */
const OF_BF16: readonly string[] = ['avx512bf16'];

/** Warn of what the graph of a step shows: parameters that the loss cannot move, and a precision that brings nothing. */
export function warnOfStep(warnings: Warnings, { unreached, precision, multiplies }: TracedStep, step: number): void {
  for (const found of unreached) warnings.add('unreached', unreachedText(found), { name: found.name, step, op: found.op });
  if (precision === 'f32') return;
  const { isa } = addon();
  if (!multiplies) {
    const text = `precision ${precision} has no effect: the model has no products of matrices, convolutions, attention or recurrence`;
    warnings.add('noProducts', text, { name: 'precision', step });
  } else if (!OF_BF16.includes(isa)) {
    const text = `precision ${precision} is emulated on this processor (${isa}): the same bits as elsewhere, and no faster than f32`;
    warnings.add('emulated', text, { name: 'precision', step, isa });
  }
}

function unreachedText({ name, op }: Unreached): string {
  const how = op === null ? 'does not depend on it' : `depends on it only through ${op}, which passes no gradient on`;
  return `${name} is trained, but the loss ${how}: it does not learn. If that is meant, set its requiresGrad to false`;
}
