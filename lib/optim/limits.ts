// limits.ts: how large gradients may be for an optimizer's arithmetic, which is f32.

/** The largest norm of a gradient whose squares an optimizer can keep: 2^63, whose square is 2^126. */
export const SQUARES = 0x8000000000000000;
/** The largest f32: squares stop there, where nobody measures gradients, since an infinity would never decay. Twin: `saturated` in update/moments.h. */
export const LARGEST = 3.4028234663852886e38;
