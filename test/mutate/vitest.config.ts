// vitest.config.ts: the tests on what lies in dist/ already.
import type { ViteUserConfig } from 'vitest/config';
import tests from '../../vitest.config.ts';

const config: ViteUserConfig = { ...tests, root: process.cwd(), test: { ...tests.test, globalSetup: [] } };
export default config;
