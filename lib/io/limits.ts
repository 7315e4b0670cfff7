// limits.ts: how much of a file is believed. docs/DATA.md has them in a table, which a test compares with this file.

/** Default of option `maxBytes`: of a file, and of all that is unpacked of it. 4 GiB. */
export const MAX_BYTES: number = 2 ** 32;
/** Default of option `maxBytes` for files of weights, which are read as they lie: their header is checked against their size first. 64 GiB. */
export const MAX_WEIGHTS: number = 2 ** 36;
/** Default of option `maxLine`: bytes of a line of a table, and of a row whose quoted cells go over several lines. 1 MiB. */
export const MAX_LINE: number = 2 ** 20;
/** Default of option `maxColumns`: cells of a row of a table, read or not. */
export const MAX_COLUMNS: number = 2 ** 16;
/** Bytes of a line of a record, whose header names all parameters. 4 MiB. */
export const MAX_RECORD_LINE: number = 2 ** 22;
/** Words that labels may be, where option `classes` does not tell, and different texts of a column of a table. */
export const MAX_CLASSES: number = 2 ** 16;
/** Characters of a word that is a label, and of a text in a column of a table. */
export const MAX_WORD = 1024;
/** Bytes of a configuration, and of a file of policies. 1 MiB. */
export const MAX_CONFIG: number = 2 ** 20;
/** Lists and objects of JSON within each other, wherever JSON is read. */
export const MAX_DEPTH = 64;
/** Lists and objects of JSON in one text. */
export const MAX_NODES: number = 2 ** 20;
/** Dimensions of one array, in every format. numpy and PyTorch allow as many. */
export const MAX_RANK = 64;

// A safetensors file, read or written.
/** Bytes of the header of a safetensors file, as the format's own reader has it. */
export const MAX_HEADER = 100_000_000;
/** Bytes of an index of safetensors files. 16 MiB. */
export const MAX_INDEX: number = 2 ** 24;
/** Bytes of that header's metadata. 16 MiB. */
export const MAX_METADATA: number = 2 ** 24;
/** Bytes of a tensor's name, as it is written in JSON, and of a file's in a zip archive. */
export const MAX_NAME = 4096;
/** Tensors of one file, and files of one zip archive. */
export const MAX_TENSORS = 100_000;
/** Bytes of what stands before the numbers of a .npy file. 64 KiB; numpy takes 10,000 of files that it does not trust. */
export const MAX_NPY_HEADER: number = 2 ** 16;
