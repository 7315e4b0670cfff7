// index.ts: how everything public declares and reads what it is given.
export * from './compound.ts';
export * from './field.ts';
export * from './signature.ts';
export * from './words.ts';
