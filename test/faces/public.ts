// public.ts: everything that users can name: functions and classes by their paths, and the methods of the classes.
import * as gradclip from '../../lib/index.ts';

export interface Public {
  /** As users write it: `ops.relu`, `Trainer`, `Trainer.fit`. */
  readonly path: string;
  readonly kind: 'function' | 'class' | 'method';
  readonly value: (...args: never[]) => unknown;
}

const isClass = (f: object): boolean => /^class\b/.test(Function.prototype.toString.call(f));

function* within(namespace: object, prefix: string): Generator<Public> {
  for (const [name, value] of Object.entries(namespace)) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    if (typeof value === 'function') {
      yield { path, kind: isClass(value) ? 'class' : 'function', value };
      if (isClass(value)) yield* methodsOf(value, path);
    } else if (Object.prototype.toString.call(value) === '[object Module]') {
      yield* within(value, path);
    }
  }
}

function* methodsOf(type: { readonly prototype: object }, path: string): Generator<Public> {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type.prototype))) {
    if (name !== 'constructor' && typeof value === 'function') yield { path: `${path}.${name}`, kind: 'method', value };
  }
}

export const PUBLIC: readonly Public[] = [...within(gradclip, '')];
