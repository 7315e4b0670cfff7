// vitest.config.ts: tests read lib/ as TypeScript; those that start processes or workers use dist/, built once before.
import { resolve } from 'node:path';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  // As users of the package import it.
  resolve: { alias: { gradclip: resolve(import.meta.dirname, 'lib/index.ts') } },
  test: {
    globalSetup: './test/global-setup.ts',
    setupFiles: [resolve(import.meta.dirname, 'test/setup.ts')],
    include: ['test/**/*.test.ts'],
    // What is read unwritten is seen (CONTRIBUTING.md); GRADCLIP_POISON=0 does without.
    env: { GRADCLIP_POISON: process.env.GRADCLIP_POISON ?? '1' },
    // Vitest would leave a core to itself: of two, half of what there is.
    maxWorkers: '100%',
    // No timing decides a test: a busy machine or a sanitizer is not a failure.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
export default config;
