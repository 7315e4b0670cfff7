// vitest.config.mjs: where the tests are. Timeouts are generous: no timing decides a test, and machines differ.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
});
