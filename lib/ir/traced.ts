// traced.ts: what stands for numbers while a model is traced is no number: JavaScript's operators on it are an error, and not NaN.
import { GraphError } from '../errors.ts';

/** `[Symbol.toPrimitive]` of such an object: a description where a text is wanted, an error where a number is. @throws GraphError */
export function toPrimitive(hint: string, described: string): string {
  if (hint === 'string') return described;
  throw notANumber(described, 'is used as a number');
}

/** The error where values are asked for. `how` says by what. */
export function notANumber(described: string, how: string): GraphError {
  const instead = 'write ops.add, ops.mul, ops.less, ops.where for +, *, <, if; slice and index by ops.slice and ops.gather';
  return new GraphError(`${described} ${how}, but it has no values while a model is traced: ${instead}`, { tensor: described });
}
