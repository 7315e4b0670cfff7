// words.ts: shares, errors and cosines as people read them, and lists of parameters in a sentence.
import { count, short } from '../../text/format.ts';
import type { ParameterPrecision } from './measured.ts';

export const most = <T>(items: readonly T[], of: (item: T) => number): T => items.reduce((a, b) => (of(b) > of(a) ? b : a));
export const others = (all: readonly unknown[], what: string): string =>
  all.length === 1 ? '' : `, and ${count(all.length - 1)} more ${what}`;
const FEW = 3;
export const listed = (all: readonly ParameterPrecision[]): string => {
  const names = all
    .slice(0, FEW)
    .map((p) => p.name)
    .join(', ');
  return all.length > FEW ? `${names} and ${count(all.length - FEW)} more` : names;
};
export const share = (x: number): string => {
  if (x === 0) return '0';
  const part = 100 * x;
  return part < 0.005 ? '< 0.01 %' : part > 99.995 && part < 100 ? '> 99.99 %' : `${Number(part.toPrecision(3))} %`;
};
export const size = (x: number): string => (x >= 1e-3 && x < 10 ? share(x) : Number.isFinite(x) ? `${short(x)} times` : 'all');
export const figure = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(6))) : 'infinite');
export const cosine = (x: number): string => (Number.isNaN(x) ? '-' : x > 0.9999995 ? '1' : String(Number(x.toPrecision(6))));
export const error = (x: number): string => (Number.isNaN(x) ? 'not finite' : short(x));
