// vitest.config.ts: tests read lib/ as TypeScript; those that start processes or workers use dist/, built once before.
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    globalSetup: './test/global-setup.ts',
    include: ['test/**/*.test.ts'],
    // No timing decides a test: a busy machine or a sanitizer is not a failure.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
export default config;
