// rooms.test.ts: each folder of lib, binding and test has a README that says what is in it, and no more files than a person looks through.
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const script = new URL('../../scripts/rooms.mjs', import.meta.url).href;
const { faults, saying } = (await import(script)) as {
  faults: (root: string) => string[];
  saying: (name: string, text: string) => string;
};

it('every folder says what is in it', () => {
  expect(faults(resolve(import.meta.dirname, '../..'))).toEqual([]);
});

it.each([
  ['a.ts', '// a.ts: what it is, in\n// two lines. More.\nimport x;\n', 'what it is, in two lines.'],
  ['main.ts', '#!/usr/bin/env node\n// main.ts: starts.\n', 'starts.'],
  ['make.py', '"""make.py: makes it with numpy 2.1: values.\n\nRun it."""\n', 'makes it with numpy 2.1: values.'],
])('%s', (name, text, said) => expect(saying(name, text)).toBe(said));
