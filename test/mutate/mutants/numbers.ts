// numbers.ts: of what is computed: math, ir, autodiff, ops, compile, native.
import type { Mutants } from '../mutant.ts';

export const NUMBERS: Mutants = {
  'a tensor that is used twice has the gradient of its first use alone': {
    file: 'lib/autodiff/grad.ts',
    before: 'gradients.set(input, sum ? add(sum, dx) : dx);',
    after: 'gradients.set(input, dx);',
    tests: ['test/compile/program.test.ts'],
  },
  "a divisor's gradient has the wrong sign": {
    file: 'lib/ops/elementwise/maps.ts',
    before: 'wanted(b!, () => make.neg(make.div(make.mul(dy, y), b!)))',
    after: 'wanted(b!, () => make.div(make.mul(dy, y), b!))',
    tests: ['test/kernels/ops.test.ts', "finite differences 'div #"],
  },
  'a power of 0 passes NaN on where the base is 0': {
    file: 'lib/ops/elementwise/maps.ts',
    before: 'make.where(make.equal(b!, 0), 0, make.mul(dy, make.mul(b!, make.pow(a!, make.sub(b!, 1)))))',
    after: 'make.mul(dy, make.mul(b!, make.pow(a!, make.sub(b!, 1))))',
    tests: ['test/ops/elementwise.test.ts'],
  },
  'at a tie both sides have the whole gradient': {
    file: 'lib/ops/elementwise/maps.ts',
    before: 'make.where(make.equal(a, b), make.mul(dy, 0.5), dy)',
    after: 'make.where(make.equal(a, b), dy, dy)',
    tests: ['test/ops/elementwise.test.ts'],
  },
  'no gradient passes at the lower bound of a clamp': {
    file: 'lib/ops/elementwise/maps.ts',
    before: 'make.where(make.mul(make.lessEqual(lo!, x!), make.lessEqual(x!, hi!)), dy, 0),',
    after: 'make.where(make.mul(make.less(lo!, x!), make.lessEqual(x!, hi!)), dy, 0),',
    tests: ['test/ops/elementwise.test.ts'],
  },
  "a square's gradient is x, not 2 x": {
    file: 'lib/ops/elementwise/maps.ts',
    before: '[make.mul(dy, make.mul(x!, 2))]',
    after: '[make.mul(dy, make.mul(x!, 1))]',
    tests: ['test/kernels/ops.test.ts', "finite differences 'square #"],
  },
  'equal elements all have the whole gradient of their maximum': {
    file: 'lib/ops/reduce/reduce.ts',
    before: 'return [mul(mask, share)];',
    after: 'return [mul(mask, reshape(dy, shape))];',
    tests: ['test/ops/reduce.test.ts'],
  },
  "a mean's gradient is that of the sum": {
    file: 'lib/ops/reduce/reduce.ts',
    before: 'const row = cast(n === 1 ? dy : div(dy, n), x.dtype);',
    after: 'const row = cast(dy, x.dtype);',
    tests: ['test/kernels/ops.test.ts', "finite differences 'mean #"],
  },
  'the gradient of a left operand takes the right one as it lies': {
    file: 'lib/ops/product/matmul.ts',
    before: 'matmul(b, dy, { transA: transB, transB: true }) : matmul(dy, b, { transB: !transB });',
    after: 'matmul(b, dy, { transA: transB, transB: true }) : matmul(dy, b, { transB });',
    tests: ['test/kernels/ops.test.ts', "finite differences 'matmul #"],
  },
  'a sum of many terms is joined in one chain, not as a tree': {
    file: 'lib/ops/step/tree.ts',
    before: 'const left = n - Math.floor(n / 2);',
    after: 'const left = n - 1;',
    tests: ['test/train/step/accumulation.test.ts'],
  },
  'epoch 2^32 has the permutation of epoch 0': {
    file: 'lib/ir/philox.ts',
    before: 'epoch >>> 0, PHILOX_TAG.permutation, high, k0, k1)',
    after: 'epoch >>> 0, PHILOX_TAG.permutation, 0, k0, k1)',
    tests: ['test/kernels/philox.test.ts'],
  },
  'what is computed twice is told apart by operands alone': {
    file: 'lib/compile/simplify.ts',
    before: "isOp(of, CONSTANT) ? '' : attrsKey(of.attrs)",
    after: "''",
    tests: ['test/compile/program.test.ts'],
  },
  'what is computed again is merged with what it repeats': {
    file: 'lib/compile/simplify.ts',
    before: 'return `${node.section} ${node.round} ${node.op.name}(${operands})`;',
    after: 'return `${node.section} ${node.op.name}(${operands})`;',
    tests: ['test/nn/checkpointed.test.ts'],
  },
  'what is computed again is another tensor to the next gradient': {
    file: 'lib/ir/recompute.ts',
    before: 'return originals.get(t) ?? t;',
    after: 'return t;',
    tests: ['test/nn/checkpointed.test.ts'],
  },
  'effects that nobody reads are dropped': {
    file: 'lib/compile/simplify.ts',
    before: 'if (node.op.effect) live[id] = 1;',
    after: 'if (node.op.effect && node.outs.length > 0) live[id] = 1;',
    tests: ['test/clip/clip.test.ts', 'ends at once'],
  },
  'a value is overwritten that is read again later': {
    file: 'lib/compile/plan.ts',
    before: 'if (!fits || storage.last !== at) continue;',
    after: 'if (!fits || storage.last > at + 1) continue;',
    tests: ['test/compile/program.test.ts'],
  },
  'values that live at the same time may share memory': {
    file: 'lib/compile/plan.ts',
    before: 'if (p.first > last || first > p.last || p.end <= offset) continue;',
    after: 'if (p.first >= last || first > p.last || p.end <= offset) continue;',
    tests: ['test/compile/program.test.ts'],
  },
  "the skip decision's memory is free before it is read": {
    file: 'lib/compile/plan.ts',
    before: 'if (graph.skip) last[numbers.of(graph.skip)] = Math.max(lastOf(graph.skip) ?? 0, order.skippableFrom);',
    after: 'if (graph.skip) last[numbers.of(graph.skip)] = lastOf(graph.skip) ?? 0;',
    tests: ['test/compile/program.test.ts'],
  },
  'a table of which more than half of the rows are read stays rows': {
    file: 'lib/compile/fuse-rows.ts',
    before: '2 * sizeOf(node.ins[1]!.shape) <= (shape[0] as number)',
    after: 'sizeOf(node.ins[1]!.shape) <= (shape[0] as number)',
    tests: ['test/compile/rows.test.ts'],
  },
  'a chain takes in what others read too': {
    file: 'lib/compile/rewrite.ts',
    before: 'if (!nodes.has(reader)) return false;',
    after: '',
    tests: ['test/compile/program.test.ts'],
  },
  'a bias is fused behind an activation': {
    file: 'lib/compile/fuse.ts',
    before: "map === 'add' && !made.bias && !made.act && other",
    after: "map === 'add' && !made.bias && other",
    tests: ['test/compile/program.test.ts'],
  },
  'a program is said to be worth a team by flops alone': {
    file: 'lib/native/threads.ts',
    before: 'program.flops < SHARED_FLOPS && program.bytes < SHARED_BYTES ? 1',
    after: 'program.flops < SHARED_FLOPS ? 1',
    tests: ['test/native/sizing.test.ts'],
  },
  'what a process has used already is not taken off its limit': {
    file: 'lib/native/room.ts',
    before: 'bytes: Math.max(0, Number(most[1]) - now)',
    after: 'bytes: Number(most[1])',
    tests: ['test/native/room.test.ts'],
  },
  'a label of 2^24 and more is said to be any whole number': {
    file: 'lib/native/program.ts',
    before: 'bound === 2 ** 24 && Number.isInteger(value)',
    after: 'bound === 2 ** 25 && Number.isInteger(value)',
    tests: ['test/train/wrong-input.test.ts'],
  },
};
