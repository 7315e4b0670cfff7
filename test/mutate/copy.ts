// copy.ts: a copy of the checkout in which sources may be changed.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * What git knows of, as it stands here, and the packages. A folder that was such a copy before becomes one again: only what differs is written, so
 * that a build in it goes on from where it was.
 */
export function copyCheckout(root: string, folder: string): void {
  const list = (...args: string[]): string[] =>
    execFileSync('git', ['ls-files', '-z', ...args], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 })
      .split('\0')
      .filter(Boolean);
  const files = list('-co', '--exclude-standard').filter((file) =>
    statSync(join(root, file), { throwIfNoEntry: false })?.isFile(),
  );
  mkdirSync(folder, { recursive: true });
  const known = join(folder, '.copied');
  const before = existsSync(known) ? readFileSync(known, 'utf8').split('\n') : [];
  const now = new Set(files);
  for (const file of before) if (!now.has(file)) rmSync(join(folder, file), { force: true });
  writeFileSync(known, files.join('\n'));
  for (const file of files) {
    const [from, to] = [join(root, file), join(folder, file)];
    const bytes = readFileSync(from);
    if (existsSync(to) && readFileSync(to).equals(bytes)) continue;
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, bytes, { mode: statSync(from).mode });
  }
  if (!existsSync(join(folder, 'node_modules'))) symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
}
