// limits.ts: how much of a file is believed. docs/DATA.md has them in a table, which a test compares with this file.

/** Default of option `maxBytes`: of a file, and of all that is unpacked of it. 4 GiB. */
export const MAX_BYTES: number = 2 ** 32;
/** The same for files of weights, which are read as they lie: their header is checked against their size first. 64 GiB. */
export const MAX_WEIGHTS: number = 2 ** 36;
/** Dimensions of one array, in every format. numpy and PyTorch allow as many. */
export const MAX_RANK = 64;
