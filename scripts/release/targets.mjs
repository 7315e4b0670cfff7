// targets.mjs: what add-ons are built for. `zig`: the target as zig names it, with the oldest system that it runs on. Node.js 20 itself wants glibc 2.28 and
// macOS 11.
const linux = (arch, cpu, libc, zig, floor) => ({ platform: 'linux', arch, libc, cpu, format: 'elf', zig, floor });

export const TARGETS = {
  'linux-x64-glibc': linux('x64', 'x86_64', 'glibc', 'x86_64-linux-gnu.2.17', '2.17'),
  'linux-x64-musl': linux('x64', 'x86_64', 'musl', 'x86_64-linux-musl'),
  'linux-arm64-glibc': linux('arm64', 'arm64', 'glibc', 'aarch64-linux-gnu.2.28', '2.28'),
  'linux-arm64-musl': linux('arm64', 'arm64', 'musl', 'aarch64-linux-musl'),
  // All Macs of this kind have what Apple's first processor of its own has, which zig compiles for.
  'darwin-arm64': { platform: 'darwin', arch: 'arm64', cpu: 'apple', format: 'mach-o', zig: 'aarch64-macos.11.0', floor: '11.0' },
  'win32-x64': { platform: 'win32', arch: 'x64', cpu: 'x86_64', format: 'pe', zig: 'x86_64-windows-gnu' },
};

/** Where prebuildify puts a target's add-on and node-gyp-build looks for it, within prebuilds/. */
export function fileOf({ platform, arch, libc }) {
  return `${platform}-${arch}/gradclip${libc ? `.${libc}` : ''}.node`;
}
