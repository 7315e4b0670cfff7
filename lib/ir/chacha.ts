// chacha.ts: the block function of ChaCha20 (RFC 8439), which makes random words that nobody can tell without its key. chacha.h has the same.

/** A quarter round on four of the words. */
function quarter(w: Uint32Array, a: number, b: number, c: number, d: number): void {
  w[a] = w[a]! + w[b]!;
  w[d] = turned(w[d]! ^ w[a]!, 16);
  w[c] = w[c]! + w[d]!;
  w[b] = turned(w[b]! ^ w[c]!, 12);
  w[a] = w[a]! + w[b]!;
  w[d] = turned(w[d]! ^ w[a]!, 8);
  w[c] = w[c]! + w[d]!;
  w[b] = turned(w[b]! ^ w[c]!, 7);
}
const turned = (x: number, left: number): number => (x << left) | (x >>> (32 - left));

/** 16 random words into `out`, of a key of 8 words, and of a counter and three words more, a nonce, that no two blocks under a key share. */
export function chacha20(
  out: Uint32Array,
  key: ArrayLike<number>,
  counter: number,
  nonce: readonly [number, number, number],
): void {
  const first = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, ...Array.from(key), counter, ...nonce]; // "expand 32-byte k"
  out.set(first);
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarter(out, i, 4 + i, 8 + i, 12 + i);
    for (let i = 0; i < 4; i++) quarter(out, i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
  }
  for (const [i, word] of first.entries()) out[i] = out[i]! + word;
}
