// vitest.config.ts: tests read lib/ as TypeScript; those that start processes or workers use dist/, built once before.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { globalSetup: './test/global-setup.ts', include: ['test/**/*.test.ts'] },
});
