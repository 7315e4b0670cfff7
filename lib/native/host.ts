// host.ts: what runs this process, as far as it decides which binary it can load.
import { imageOf } from './image.ts';

export type Libc = 'glibc' | 'musl';

/** The least version of Node-API that the add-on is compiled for, and the first Node.js that we support. */
export const NODE_API = 9;
export const OLDEST_NODE = '20.19';

/** System and processor of this process, such as linux-x64. */
export const here = (): string => `${process.platform}-${process.arch}`;

/**
 * The C library of this process; null where the system has but one, or it is not to be known. What starts the program tells it. Node.js's report
 * does so too, but waits until every worker answers, and one that is in a long call does not: it is asked only where the other is silent, such as for
 * a program that was started by naming its loader.
 */
export function libc(): Libc | null {
  if (process.platform !== 'linux') return null;
  return libcOf(interpreter() ?? '') ?? reported();
}

/** Which C library has a file of this name: its own, or its loader. */
export function libcOf(name: string): Libc | null {
  if (/(^|\/)(ld-musl-|libc\.musl-|libc\.so$)/.test(name)) return 'musl';
  return /(^|\/)(ld-linux|ld64\.so|ld\.so|libc\.so\.)/.test(name) ? 'glibc' : null;
}

function interpreter(): string | null {
  try {
    return imageOf('/proc/self/exe')?.interpreter ?? null;
  } catch {
    return null;
  }
}

/** Reports ask the network for the names of all addresses, unless an option forbids it; older ones know no such word. */
function reported(): Libc | null {
  const report = process.report as (NodeJS.ProcessReport & { excludeNetwork?: boolean }) | undefined;
  if (typeof report?.getReport !== 'function') return null;
  const before = report.excludeNetwork;
  try {
    report.excludeNetwork = true;
    const { header, sharedObjects } = report.getReport() as unknown as {
      readonly header?: { readonly glibcVersionRuntime?: string };
      readonly sharedObjects?: readonly string[];
    };
    if (header?.glibcVersionRuntime) return 'glibc';
    return sharedObjects?.some((file) => libcOf(file) === 'musl') ? 'musl' : null;
  } catch {
    return null;
  } finally {
    if (before !== undefined) report.excludeNetwork = before;
  }
}

/** Who runs the code, with its version. */
export function engine(): string {
  const { node, bun, deno, electron } = process.versions as Readonly<Record<string, string | undefined>>;
  if (bun) return `Bun ${bun}`;
  if (deno) return `Deno ${deno}`;
  return electron ? `Electron ${electron}` : `Node.js ${node}`;
}
