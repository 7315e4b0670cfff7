// calls.ts: what is called as in other libraries and is no function here: a module as one, methods of tensors, a class without `new`.
import { GradclipError, GraphError } from '../../errors.ts';
import * as ops from '../../ops/index.ts';

/** Methods that other libraries' tensors have, and the op for each. */
const OPS: Readonly<Record<string, string>> = {
  view: 'reshape',
  flatten: 'reshape',
  squeeze: 'reshape',
  unsqueeze: 'reshape',
  expandDims: 'reshape',
  permute: 'transpose',
  mm: 'matmul',
  dot: 'matmul',
  ...Object.fromEntries(Object.keys(ops).map((name) => [name, name])),
};
const VALUES = ['item', 'data', 'dataSync', 'array', 'arraySync', 'numpy', 'tolist', 'detach', 'cpu', 'print', 'forEach'];
const TRAINING = ['backward', 'zeroGrad', 'zero_grad', 'step'];

/**
 * What an error of JavaScript means, if it comes from such a call: an error that says what to write. Others stay as they are.
 * @param root what the expression of the call begins with: `this` in a module, the model in a loss
 * @param isModule tells modules from other objects
 */
export function explained(error: unknown, root: object, isModule: (x: unknown) => boolean): unknown {
  if (!(error instanceof TypeError) || error instanceof GradclipError) return error;
  const [, made] = /^Class constructor (\S+) cannot be invoked without 'new'/.exec(error.message) ?? [];
  if (made !== undefined) {
    return told(error, `${made} is a class: make it once, with new, in a field of the module, and call its forward`);
  }
  const [, expression] = /^(\S+) is not a function/.exec(error.message) ?? [];
  if (expression === undefined) return error;
  const failed = (what: string): GraphError => told(error, `${expression} is not a function: ${what}`);
  if (isModule(at(root, expression))) return failed(`a module is called by its method forward: ${expression}.forward(x)`);
  const [, name] = /\.([\w$]+)$/.exec(expression) ?? [];
  if (name === undefined) return error;
  const op = Object.hasOwn(OPS, name) ? OPS[name] : undefined;
  if (op !== undefined) return failed(`a Tensor has no methods: write ops.${op}(x, ...)`);
  if (TRAINING.includes(name)) return failed('fit makes the gradients of the loss, and the steps');
  if (VALUES.includes(name)) return failed('a Tensor has no values while a model is traced');
  return error;
}

function told(cause: Error, message: string): GraphError {
  return new GraphError(message, {}, { cause });
}

/** What `this.blocks[0].fc` stands for, its first word being `root`; undefined where that is unknown. */
function at(root: object, expression: string): unknown {
  if (!/^[\w$]+(\.[\w$]+|\[\d+\])*$/.test(expression)) return undefined;
  const steps = expression.match(/[\w$]+/g)!.slice(1);
  return steps.reduce<unknown>((x, step) => (x as Record<string, unknown> | null | undefined)?.[step], root);
}
