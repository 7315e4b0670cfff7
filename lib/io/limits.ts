// limits.ts: how much of a file is believed. docs/DATA.md has them in a table, which a test compares with this file.

/** Default of option `maxBytes`: of a file, and of all that is unpacked of it. 4 GiB. */
export const MAX_BYTES: number = 2 ** 32;
/** The same for files of weights, which are read as they lie: their header is checked against their size first. 64 GiB. */
export const MAX_WEIGHTS: number = 2 ** 36;
/** Dimensions of one array, in every format. numpy and PyTorch allow as many. */
export const MAX_RANK = 64;

// A safetensors file, read or written.
/** Bytes of the header, as the format's own reader has it. */
export const MAX_HEADER = 100_000_000;
/** Bytes of the header's metadata. 16 MiB. */
export const MAX_METADATA: number = 2 ** 24;
/** Bytes of a tensor's name, as it is written in JSON. */
export const MAX_NAME = 4096;
/** Tensors of one file. */
export const MAX_TENSORS = 100_000;
