// check-headers.test.ts: headers of the kernels include their neighbors alone, and open the namespace of the ISA; that each compiles by
// itself `npm run -s check:headers` sees, which needs a compiler.
import { expect, it } from 'vitest';

const script = new URL('../../scripts/check-headers.mjs', import.meta.url).href;
const { checkIncludes, headerText, kernelHeaders } = (await import(script)) as {
  checkIncludes: (name: string, text: string) => string[];
  headerText: (name: string) => string;
  kernelHeaders: () => string[];
};

it('nothing comes from outside', () => {
  const names = kernelHeaders();
  expect(names.length).toBeGreaterThan(70);
  expect(names.flatMap((name) => checkIncludes(name, headerText(name)))).toEqual([]);
});

it('what is no macro lies in the namespace of the ISA, and is read once', () => {
  for (const name of kernelHeaders().filter((each) => each !== 'unit.h' && each !== 'kernel.h')) {
    const text = headerText(name);
    expect(text, name).toMatch(/^(\/\/.*\n)+#pragma once\n/);
    expect(text, name).toMatch(/^namespace gradclip::GRADCLIP_ISA \{$[\s\S]*^\} {3}\/\/ namespace gradclip::GRADCLIP_ISA\n$/m);
  }
});

it.each([
  ['gemm.h', '#include <vector>'],
  ['gemm.h', '#include <stdint.h>'],
  ['gemm.h', '#include "../../lib/x.h"'],
  ['gemm.h', '#include "../gate.h"'],
  ['product/gemm.h', '#include "../../gate.h"'],
  ['unit.h', '#include <vector>'],
])('%s: %s is a fault', (name, line) => {
  expect(checkIncludes(name, `#pragma once\n${line}\n`)).toHaveLength(1);
});

it.each([
  ['gemm.h', '#include "gemm_pack.h"'],
  ['simd/avx2.h', '#include "../unit.h"'],
  ['product/gemm.h', '#include "../gradient/stage.h"'],
  ['unit.h', '#include <immintrin.h>'],
])('%s: %s is none', (name, line) => {
  expect(checkIncludes(name, `#pragma once\n${line}\n`)).toEqual([]);
});
