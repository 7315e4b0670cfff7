// find.ts: which file is the native add-on: that of GRADCLIP_PREBUILD, that compiled here, or that of the package for this system.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { here, type Libc, libc } from './host.ts';
import { ownFile, packageFolder } from './package.ts';

/** Where the add-on may come from, the first that is there: a build that GRADCLIP_PREBUILD names, one compiled here, the package's own. */
export type Origin = 'GRADCLIP_PREBUILD' | 'source build' | 'prebuilt';

export interface Found {
  readonly file: string;
  readonly origin: Origin;
}

/** Where it was looked for: in the folder that GRADCLIP_PREBUILD names, else in the package; in a bundle, beside that. */
export interface Searched {
  readonly folder: string;
  readonly of: 'GRADCLIP_PREBUILD' | 'package' | 'bundle';
}

export function searched(): Searched {
  const named = process.env.GRADCLIP_PREBUILD;
  if (named) return { folder: resolve(named), of: 'GRADCLIP_PREBUILD' };
  const root = packageFolder();
  return root ? { folder: root, of: 'package' } : { folder: dirname(ownFile() ?? process.argv[1] ?? ''), of: 'bundle' };
}

/** Null where there is none for this system. */
export function find({ folder, of }: Searched): Found | null {
  const named = of === 'GRADCLIP_PREBUILD' ? of : null;
  const file = compiledIn(folder);
  if (file) return { file, origin: named ?? 'source build' };
  // Which prebuilt files it takes rests on /etc/alpine-release, LIBC and npm_config_arch: it may be for another system.
  const prebuilt = prebuilds(folder).find(
    ({ system, tag }) => system === here() && (tag === null || tag === (libc() ?? 'glibc')),
  );
  return prebuilt ? { file: prebuilt.file, origin: named ?? 'prebuilt' } : null;
}

/** A build in a folder: as node-gyp-build finds it, or, where a bundle has left that behind or it may not look around, under its name. */
function compiledIn(folder: string): string | null {
  const file = proposed(folder);
  if (file?.startsWith(join(folder, 'build') + sep)) return file;
  const own = join(folder, 'build/Release/gradclip.node');
  return existsSync(own) ? own : null;
}

function proposed(folder: string): string | null {
  const own = ownFile();
  try {
    const load = own && (createRequire(own)('node-gyp-build') as { resolve(folder: string): string });
    return load ? resolve(load.resolve(folder)) : null;
  } catch {
    return null;
  }
}

export interface Prebuilt {
  readonly file: string;
  /** Such as linux-x64. */
  readonly system: string;
  /** The C library that its name tells; null where the system has but one. */
  readonly tag: Libc | null;
}

/** All that are in a folder, as prebuildify names them: prebuilds/linux-x64/gradclip.musl.node. */
export function prebuilds(folder: string): Prebuilt[] {
  const all = join(folder, 'prebuilds');
  // SHA256SUMS lies beside the folders of the systems.
  const systems = namesIn(all).filter((name) => statSync(join(all, name)).isDirectory());
  return systems.flatMap((name) => {
    const [platform, archs = ''] = name.split('-');
    const inside = join(all, name);
    const files = namesIn(inside).filter((file) => file.endsWith('.node'));
    return archs.split('+').flatMap((arch) =>
      files.map((file) => {
        const tag = /\.(glibc|musl)\./.exec(file)?.[1] as Libc | undefined;
        return { file: join(inside, file), system: `${platform}-${arch}`, tag: tag ?? null };
      }),
    );
  });
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
