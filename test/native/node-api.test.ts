// node-api.test.ts: on Windows the add-on finds the functions of Node-API by a list, which must have whatever it may call.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';

interface Headers {
  readonly symbols: Readonly<Record<string, { readonly js_native_api_symbols: string[]; readonly node_api_symbols: string[] }>>;
}

test('the list for Windows has all of the version that the add-on is built for', () => {
  const [, version] = /NAPI_VERSION=(\d+)/.exec(readFileSync('CMakeLists.txt', 'utf8'))!;
  const { symbols } = createRequire(import.meta.url)('node-api-headers') as Headers;
  const { js_native_api_symbols, node_api_symbols } = symbols[`v${version}`]!;
  const listed = readFileSync('binding/port/windows_node_api.inc', 'utf8').matchAll(/^GRADCLIP_NODE_API\((\w+)\)$/gm);
  expect([...listed].map(([, name]) => name)).toEqual([...js_native_api_symbols, ...node_api_symbols].sort());
});
