// model.ts: what the sums over processes take, alpha + bytes / beta, of constants that are measured; and what a step takes on many hosts.

/** Of one exchange of two processes, each of which sends and receives. */
export interface Constants {
  /** Milliseconds of one that carries nothing. */
  readonly alpha: number;
  /** Bytes a millisecond, in each direction. */
  readonly beta: number;
}

/** Least squares of how far they are off in proportion, so that small sizes tell alpha and large ones beta. */
export function fitted(times: readonly (readonly [bytes: number, ms: number])[]): Constants {
  // Of a / t + b x / t = 1, the normal equations of a and b.
  let [aa, ab, bb, a1, b1] = [0, 0, 0, 0, 0];
  for (const [bytes, ms] of times) {
    const [u, v] = [1 / ms, bytes / ms];
    aa += u * u;
    ab += u * v;
    bb += v * v;
    a1 += u;
    b1 += v;
  }
  const det = aa * bb - ab * ab;
  const alpha = (a1 * bb - b1 * ab) / det;
  const slope = (b1 * aa - a1 * ab) / det;
  if (!(slope > 0)) throw new Error('hosts: times do not grow with what is sent: the machine does something else');
  // What is too short to be seen beside the rest is not below nothing.
  return { alpha: Math.max(0, alpha), beta: 1 / slope };
}

/** Milliseconds that the sums of a step take: all of them travel once for each doubling of hosts. */
export function exchangeMs({ alpha, beta }: Constants, bytes: number, hosts: number): number {
  return Math.ceil(Math.log2(hosts)) * (alpha + bytes / beta);
}

/** A step on so many hosts. */
export interface Expected {
  readonly hosts: number;
  readonly ms: number;
  /** Rows a second, by those of one host. */
  readonly gain: number;
}

/** Each host has a batch as large as that of one: `ms` is its step alone. */
export function wider(constants: Constants, bytes: number, ms: number, hosts: readonly number[]): Expected[] {
  return hosts.map((n) => {
    const step = ms + exchangeMs(constants, bytes, n);
    return { hosts: n, ms: step, gain: (n * ms) / step };
  });
}

/**
 * They share one batch, whose step takes `ms` on one host, of which the update, `updateMs`, is done by each.
 */
export function faster(
  constants: Constants,
  bytes: number,
  [ms, updateMs]: readonly [number, number],
  hosts: readonly number[],
): Expected[] {
  return hosts.map((n) => {
    const step = (ms - updateMs) / n + updateMs + exchangeMs(constants, bytes, n);
    return { hosts: n, ms: step, gain: ms / step };
  });
}

/** The largest of these numbers of hosts to which each doubling brings a tenth or more; 1 where the first does not. */
export function paysTo(expected: readonly Expected[]): number {
  let last = 1;
  let gain = 1;
  for (const { hosts, gain: next } of expected) {
    if (next < 1.1 * gain) return last;
    [last, gain] = [hosts, next];
  }
  return last;
}
