// errors.test.ts: every error class has one base, its own stable code, and keeps its cause.
import { expect, it } from 'vitest';
import * as errors from '../../lib/errors.ts';

type Make = new (message: string, details: Record<string, unknown>, options?: ErrorOptions) => errors.GradclipError;
const classes = Object.entries(errors).filter(([name]) => /^[A-Z].*Error$/.test(name) && name !== 'GradclipError') as [
  string,
  Make,
][];

it.each(classes)('%s', (name, Class) => {
  const error = new Class('matmul: expected f32, got i32', { op: 'matmul' });
  expect(error).toBeInstanceOf(errors.GradclipError);
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe(name);
  expect(error.code).toMatch(name === 'AbortError' ? /^ABORT_ERR$/ : /^ERR_[A-Z_]+$/); // as Node's own AbortError
  expect(error.details).toEqual({ op: 'matmul' });
  expect(String(error)).toBe(`${name}: matmul: expected f32, got i32`);
});

it('no two classes share a code', () => {
  const codes = classes.map(([, Class]) => new Class('', {}).code);
  expect(new Set(codes).size).toBe(codes.length);
  expect(codes.length).toBeGreaterThan(10);
});

it('keeps the cause', () => {
  const cause = new Error('ENOENT');
  expect(new errors.DataError('train.csv: cannot be read', {}, { cause }).cause).toBe(cause);
});

it('says no more than somebody may read, control characters spelled out', () => {
  const { message } = new errors.DataError(`a.csv: column 1 (${'\x00'.repeat(8000)}): expected a number`);
  expect(message.length).toBeLessThan(9000);
  expect(message).toMatch(/^a\.csv: column 1 \(\\x00\\x00.*characters.*expected a number$/);
});
