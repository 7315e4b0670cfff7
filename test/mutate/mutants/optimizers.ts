// optimizers.ts: of optimizers, schedules, constraints.
import type { Mutants } from '../mutant.ts';

export const OPTIMIZERS: Mutants = {
  'bindings that are no longer kept at hand are not disposed of': {
    file: 'lib/optim/standalone/bound.ts',
    before: 'for (const old of this.#bindings.splice(KEPT - 1)) old.program.dispose();',
    after: 'this.#bindings.splice(KEPT - 1);',
    tests: ['test/optim/standalone.test.ts'],
  },
  'Adam corrects the square of its second moment, not the root': {
    file: 'lib/optim/rules/adam.ts',
    before: 'const inverseRoot = 1 / Math.sqrt(correction(beta2, t));',
    after: 'const inverseRoot = 1 / correction(beta2, t);',
    tests: ['test/optim/golden-optimizers.test.ts', 'adam'],
  },
  'decay that is decoupled does not follow the learning rate': {
    file: 'lib/optim/rules/adam.ts',
    before: 'out[at.decay] = decoupled ? 1 - lr * weightDecay : weightDecay;',
    after: 'out[at.decay] = decoupled ? 1 - weightDecay : weightDecay;',
    tests: ['test/optim/golden-optimizers.test.ts', 'adam'],
  },
  'RAdam adapts from length 4 on': {
    file: 'lib/optim/rules/radam.ts',
    before: 'const adaptive = length > 5;',
    after: 'const adaptive = length > 4;',
    tests: ['test/optim/golden-optimizers.test.ts'],
  },
  'Lookahead goes all of the way to the fast weights a step late': {
    file: 'lib/optim/rules/lookahead.ts',
    before: '(step + 1) % k === 0',
    after: 'step % k === 0',
    tests: ['test/optim/golden-optimizers.test.ts'],
  },
  'an average by mean weighs the first update twice': {
    file: 'lib/optim/weights/ema.ts',
    before: '(weights ? 2 : 1)',
    after: '2',
    tests: ['test/train/step/ema.test.ts'],
  },
  'an average takes in all updates, whatever `every` says': {
    file: 'lib/optim/weights/ema.ts',
    before: 'if (since < 0 || since % every !== 0) return 0;',
    after: 'if (since < 0) return 0;',
    tests: ['test/train/step/ema.test.ts'],
  },
  'of two bounds the wider one holds': {
    file: 'lib/optim/weights/constraint.ts',
    before: '[Math.max(...bounds.map((b) => b[0])), Math.min(...bounds.map((b) => b[1]))]',
    after: '[Math.min(...bounds.map((b) => b[0])), Math.max(...bounds.map((b) => b[1]))]',
    tests: ['test/optim/constraint.test.ts'],
  },
  "Keras' norm constraint has no epsilon": {
    file: 'lib/optim/weights/constraint.ts',
    before: "eps: compat === 'keras' ? 1e-7 : 0",
    after: "eps: compat === 'keras' ? 0 : 0",
    tests: ['test/optim/constraint.test.ts'],
  },
  'a group that joins later counts from the first step': {
    file: 'lib/optim/apply/apply.ts',
    before: 'checked(step - since, lr, out);',
    after: 'checked(step, lr, out);',
    tests: ['test/train/state/changes.test.ts test/train/step/groups.test.ts'],
  },
  'the limit of the largest group holds': {
    file: 'lib/optim/apply/apply.ts',
    before: 'const limit = Math.min(...groups.map((g) => g.optimizer.limit ?? Infinity));',
    after: 'const limit = Math.max(...groups.map((g) => g.optimizer.limit ?? Infinity));',
    tests: ['test/train/step/groups.test.ts'],
  },
  'Adafactor does not hold its rate below 1 / sqrt(t)': {
    file: 'lib/optim/rules/adafactor.ts',
    before: '(step: number, lr: number): number => Math.min(lr, 1 / Math.sqrt(step + 1));',
    after: '(step: number, lr: number): number => lr;',
    tests: ['test/optim/golden-optimizers.test.ts'],
  },
  'a state of one length is taken for one of another': {
    file: 'lib/optim/standalone/states.ts',
    before: 'data instanceof ARRAYS[type.dtype] && data.length === sizeOf(type.shape)',
    after: 'data instanceof ARRAYS[type.dtype]',
    tests: ['test/optim/standalone.test.ts'],
  },
  'a cosine comes up again after its steps': {
    file: 'lib/optim/schedules/decay.ts',
    before: 'return at >= last && !repeat ? min : min',
    after: 'return at > 2 * last && !repeat ? min : min',
    tests: ['test/optim/schedule.test.ts'],
  },
  'a schedule takes over a step late': {
    file: 'lib/optim/schedules/combine.ts',
    before: 'const i = starts.filter((m) => m <= at).length;',
    after: 'const i = starts.filter((m) => m < at).length;',
    tests: ['test/optim/schedule.test.ts'],
  },
  'a warm-up reaches its value a step late': {
    file: 'lib/optim/schedules/decay.ts',
    before: 'from + ((to(0) - from) * (at + 1)) / rise',
    after: 'from + ((to(0) - from) * at) / rise',
    tests: ['test/optim/schedule.test.ts'],
  },
  'every second cycle is halved': {
    file: 'lib/optim/schedules/cycle.ts',
    before: "mode === 'triangular2' ? pow(0.5, cycle)",
    after: "mode === 'triangular2' ? pow(0.5, Math.floor(cycle / 2))",
    tests: ['test/optim/schedule.test.ts'],
  },
  'restarts all have the length of the first': {
    file: 'lib/optim/schedules/cycle.ts',
    before: 'for (; within >= period; period *= factor) within -= period;',
    after: 'for (; within >= period; ) within -= period;',
    tests: ['test/optim/schedule.test.ts'],
  },
};
