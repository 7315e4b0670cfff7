// failure.ts: why the native add-on is not there or does not load, each with what helps. All that can be seen in a file is looked at before it is
// loaded: the system ends the process where one is cut off, and says little where one is for another machine.
import { readFileSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { relative, sep } from 'node:path';
import { AddonError } from '../errors.ts';
import { ALLOW, compile, installLibrary, instead, isCheckout, LEAVE_OUT, REINSTALL, UNPLUG } from './cures.ts';
import { type Found, prebuilds, type Searched } from './find.ts';
import { engine, here, libc, libcOf, NODE_API, OLDEST_NODE } from './host.ts';
import { type Image, imageOf } from './image.ts';
import { ownFile, version } from './package.ts';

/** Why; `details.reason` of an AddonError. */
export type Reason =
  | 'addons disabled'
  | 'broken'
  | 'bundled'
  | 'incomplete'
  | 'library missing'
  | 'noexec'
  | 'Node too old'
  | 'not built'
  | 'not loaded'
  | 'other libc'
  | 'other machine'
  | 'other version'
  | 'system too old'
  | 'unreadable'
  | 'unsupported'
  | 'zipped';

/** Systems that the package has prebuilt add-ons for. */
export const PREBUILT: readonly string[] = ['darwin-arm64', 'linux-arm64', 'linux-x64', 'win32-x64'];

function failure(reason: Reason, lines: readonly string[], details: Record<string, unknown> = {}, cause?: unknown): AddonError {
  const all = { reason, system: here(), libc: libc(), engine: engine(), ...details };
  return new AddonError(lines, all, cause === undefined ? undefined : { cause });
}

/** @throws AddonError where no add-on can be loaded, whichever there are */
export function checkHost(): void {
  const napi = Number(process.versions.napi);
  // One that tells nothing is asked by loading.
  if (!(napi < NODE_API)) return;
  const text = `gradclip needs Node-API ${NODE_API}, which Node.js ${OLDEST_NODE} and later have; this is ${engine()} with Node-API ${napi}.`;
  throw failure('Node too old', [text], { napi });
}

/** There is no file for this system. */
export function absent(at: Searched): AddonError {
  const { folder, of } = at;
  const there = prebuilds(folder).map(({ system, tag }) => (tag ? `${system} (${tag})` : system));
  const has = there.length > 0 ? `it has ${there.join(', ')}` : 'it has none';
  const wanted = libc() ? `${here()} (${libc()})` : here();
  const details = { folder, has: there };
  if (of === 'GRADCLIP_PREBUILD') {
    const places = 'neither build/Release nor prebuilds has an add-on';
    return failure('not built', [`GRADCLIP_PREBUILD names ${folder}: ${places} for ${wanted}; ${has}.`], details);
  }
  if (of === 'bundle') {
    const file = ownFile() ? ` (${ownFile()})` : '';
    const text = `The code of gradclip is in a bundle${file}, and its native add-on is not beside it.`;
    return failure('bundled', [`${text} Leave the package out, and install it where the bundle runs:`, ...LEAVE_OUT], details);
  }
  if (isCheckout(folder)) {
    const tools = 'It takes CMake and a C++ compiler (Debian, Ubuntu: apt-get install cmake g++)';
    return failure('not built', [`The native add-on of gradclip is not built. ${tools}. Then:`, compile(at)], details);
  }
  if (!PREBUILT.includes(here())) return unsupported(at, details);
  const text = `The package gradclip is not whole: ${folder} has no native add-on for ${wanted}; ${has}.`;
  const why =
    'An ignore file, a tool that prunes packages or a copy of a part has left it out. Install it again, where it is to run:';
  return failure('incomplete', [text, why, ...REINSTALL], details);
}

function unsupported(at: Searched, details: Record<string, unknown>): AddonError {
  const text = `gradclip has no prebuilt add-on for ${here()}; there are those for ${PREBUILT.join(', ')}.`;
  return failure('unsupported', [text, otherNode() ?? fromSource(at)], details);
}

/** Another Node.js that this machine runs as well. */
function otherNode(): string | null {
  if (here() === 'darwin-x64' && cpus()[0]?.model.includes('Apple'))
    return 'This Node.js is one for x64 that is translated, on a processor that is arm64: install Node.js for arm64.';
  if (here() === 'win32-arm64') return 'Windows for arm64 runs Node.js for x64 as well: install that.';
  return null;
}

function fromSource(at: Searched): string {
  const compiles = ['darwin', 'linux', 'win32'].includes(process.platform) && ['arm64', 'x64'].includes(process.arch);
  if (compiles) return `With CMake and a C++ compiler it is compiled here by: ${compile(at)}`;
  return 'It is written for processors of x64 and arm64, in 64 bits, and for Linux, macOS and Windows.';
}

/** @throws AddonError where the file is seen not to load */
export function checkFile(found: Found, at: Searched): void {
  const { file } = found;
  const archive = file.split(sep).findIndex((name) => name.endsWith('.zip'));
  if (
    archive >= 0 &&
    !statSync(
      file
        .split(sep)
        .slice(0, archive + 1)
        .join(sep),
    ).isDirectory()
  )
    throw zipped(found);
  const image = lookedAt(found);
  const is = (reason: Reason, what: string, details: Record<string, unknown> = {}): AddonError =>
    failure(reason, [`${file} ${what}`, ...instead(found, at)], { file, ...details });
  if (!image) throw is('broken', 'is broken: it is no program of any system.');
  const systems = image.archs.map((arch) => `${image.platform}-${arch}`);
  if (!systems.includes(here()))
    throw is('other machine', `is for ${systems.join(', ')}, and this ${engine()} is for ${here()}.`, { systems });
  const { size } = statSync(file);
  if (size < image.bytes)
    throw is('broken', `is broken: it ends after ${size} of ${image.bytes} bytes.`, { size, bytes: image.bytes });
  const [made, runs] = [compiledFor(image), libc()];
  if (made && runs && made !== runs)
    throw is('other libc', `was compiled for ${made}, and this ${engine()} runs on ${runs}.`, { compiled: made });
}

/** @throws AddonError where the add-on that was loaded is of another version than this code, which would call it as it is not to be called */
export function checkVersion(compiled: string | undefined, found: Found, at: Searched): void {
  if (compiled === version()) return;
  const of = compiled === undefined ? 'an earlier gradclip' : `gradclip ${compiled}`;
  const text = `${found.file} is of ${of}, and the code that loads it of gradclip ${version()}.`;
  throw failure('other version', [text, ...instead(found, at)], { file: found.file, compiled, version: version() });
}

function compiledFor({ needed }: Image): ReturnType<typeof libcOf> {
  return needed.map(libcOf).find((name) => name !== null) ?? null;
}

/** What the file's headers say. @throws AddonError where this user may not read it */
function lookedAt({ file }: Found): Image | null {
  try {
    return imageOf(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** The system does not let a file or folder be looked at. `within`: where it lies. */
export function unreadable(within: string, cause: unknown): AddonError {
  const { code, path: file = within, message } = cause as NodeJS.ErrnoException;
  if (code !== 'EACCES' && code !== 'EPERM') return failure('not loaded', [`${file} does not load: ${message}`], { file }, cause);
  const who = process.getuid ? ` (uid ${process.getuid()})` : '';
  const help = `Its owner may let others do so: chmod -R a+rX ${/^(.*[/\\]gradclip)[/\\]/.exec(file)?.[1] ?? file}`;
  return failure('unreadable', [`This user${who} may not read ${file}.`, help], { file }, cause);
}

function zipped({ file }: Found): AddonError {
  const text = `${file} lies in an archive, from which the system loads no code. Let yarn unpack the package:`;
  return failure('zipped', [text, ...UNPLUG], { file });
}

/** The system, or what runs the process, has refused to load the file. */
export function refused(found: Found, at: Searched, cause: unknown): AddonError {
  const { file } = found;
  const { message, code, name } = cause as NodeJS.ErrnoException;
  const first = message.split('\n')[0]!;
  if (code === 'ERR_DLOPEN_DISABLED' || name === 'NotCapable' || /\brun again with the --allow-/.test(message)) {
    const text = `This process is not allowed to load the native add-on of gradclip: ${first}`;
    return failure('addons disabled', [text, ...ALLOW], { file }, cause);
  }
  const library = missingLibrary(first, file);
  if (library) {
    const text = `This system lacks ${library}, which ${file} needs.`;
    return failure('library missing', [text, ...installLibrary(library), ...instead(found, at)], { file, library }, cause);
  }
  const [, symbol] =
    /version [`'](\S+)' not found/.exec(first) ?? /Error relocating .*: (\S+): symbol not found/.exec(first) ?? [];
  if (symbol) {
    const text = `${file} was compiled on a newer system: it needs ${symbol}, which this one does not have.`;
    const help =
      found.origin === 'prebuilt' ? [`With CMake and a C++ compiler it is compiled here by: ${compile(at)}`] : instead(found, at);
    return failure('system too old', [text, ...help], { file, symbol }, cause);
  }
  const mount = /failed to map segment|Operation not permitted/.test(first) ? noexec(file) : null;
  if (mount) {
    const text = `${file} lies on ${mount}, which is mounted noexec: no code is loaded from there.`;
    return failure(
      'noexec',
      [text, 'Install the package elsewhere, or mount it with exec (Docker: --tmpfs DIR:exec).'],
      { file, mount },
      cause,
    );
  }
  return failure('not loaded', [`${file} does not load: ${first}`, ...instead(found, at)], { file }, cause);
}

/** The library that the loader of Linux (glibc, musl) or of macOS did not find, where it is not one of ours. */
function missingLibrary(text: string, file: string): string | null {
  const patterns = [
    /^(\S+): cannot open shared object file: No such file/,
    /^Error loading shared library (\S+): No such file/,
    /Library not loaded: (\S+)/,
  ];
  const name = patterns.map((pattern) => pattern.exec(text)?.[1]).find((name) => name !== undefined);
  return name === undefined || name === file || name.includes('gradclip') ? null : name;
}

/** The mount that a file lies on, if nothing may be run from it. */
function noexec(file: string): string | null {
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' '));
    const within = mounts.filter(([, folder]) => folder && !relative(folder.replace(/\\040/g, ' '), file).startsWith('..'));
    // The deepest, and of those the last: it lies over the others.
    const [, folder, , options] = within.reduce((a, b) => (b[1]!.length >= a[1]!.length ? b : a));
    return options?.split(',').includes('noexec') ? folder! : null;
  } catch {
    return null;
  }
}
