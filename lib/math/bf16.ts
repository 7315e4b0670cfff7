// bf16.ts: the upper half of an f32, as products of precision bf16 round their operands to.
const one = new Float32Array(1);
const bits = new Uint32Array(one.buffer);

/**
 * x as the nearest number in bf16, of two the even one. It becomes an f32 first; a denormal becomes the zero of its sign.
 * (bf16.h of the kernels does the same.)
 */
export function toBf16(x: number): number {
  one[0] = x;
  const given = bits[0]!;
  const exponent = given & 0x7f800000;
  if (exponent === 0) bits[0] = given & 0x80000000;
  else if (Number.isNaN(x)) bits[0] = (given | 0x400000) & 0xffff0000;
  else bits[0] = (given + 0x7fff + ((given >>> 16) & 1)) & 0xffff0000;
  return one[0];
}
