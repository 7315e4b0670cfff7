// pretend.ts: another operating system, for what of lib/ asks which one it is.
import { onTestFinished } from 'vitest';

const real = process.platform;
const say = (platform: NodeJS.Platform): boolean => Reflect.defineProperty(process, 'platform', { value: platform });

/** `process.platform` until the test ends. */
export function pretendSystem(platform: NodeJS.Platform): void {
  say(platform);
  onTestFinished(() => void say(real));
}
