// prebuilds.test.ts: what looks into prebuilt add-ons before they are published finds what it is there for, in listings as LLVM's tools print them; and
// add-ons lie where the loader looks for them.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { prebuilds } from '../../lib/native/find.ts';

interface Target {
  readonly platform: string;
  readonly arch: string;
  readonly libc?: 'glibc' | 'musl';
}
type Texts = Readonly<Record<string, string>>;
const at = (name: string): string => new URL(`../../scripts/release/${name}.mjs`, import.meta.url).href;
const { elfFaults, machFaults, peFaults, isaFaults } = (await import(at('check'))) as Record<
  'elfFaults' | 'machFaults' | 'peFaults',
  (target: Target, texts: Texts) => string[]
> & { isaFaults(cpu: string, text: string): string[] };
const { checkSignature } = (await import(at('signature'))) as { checkSignature(file: Buffer): string[] };
const { addressesOf, nameFaults, readManifest } = (await import(at('names'))) as {
  addressesOf(manifest: object): Readonly<Record<string, string>> | null;
  nameFaults(manifest: object, workflow?: { readonly tag?: string; readonly runsIn?: string }): string[];
  readManifest(): Readonly<Record<string, unknown>>;
};
const { TARGETS, fileOf } = (await import(at('targets'))) as { TARGETS: Record<string, Target>; fileOf(target: Target): string };

/** A listing of tools with one text replaced: the fault that this is. */
type Case = readonly [text: string, from: string, to: string, fault: string];
const spoiled = (texts: Texts, [text, from, to]: Case): Texts => {
  expect(texts[text]).toContain(from);
  return { ...texts, [text]: texts[text]!.replace(from, () => to) };
};

describe('Linux', () => {
  const texts = {
    symbols: `
   130: 0000000000000000     0 FUNC    GLOBAL DEFAULT   UND dladdr@GLIBC_2.2.5 (2)
   131: 0000000000000000     0 NOTYPE  WEAK   DEFAULT   UND __cxa_finalize
   133: 00000000003332d0    11 FUNC    GLOBAL DEFAULT    11 node_api_module_get_api_version_v1
   134: 00000000003332e0    75 FUNC    GLOBAL DEFAULT    11 napi_register_module_v1
`,
    dynamic: `
  0x0000000000000001 (NEEDED)    Shared library: [libc.so.6]
  0x0000000000000001 (NEEDED)    Shared library: [libpthread.so.0]
  0x000000006ffffffb (FLAGS_1)   NOW NODELETE
`,
    versions: `
    0x0010:   Name: GLIBC_2.2.5  Flags: none  Version: 2
    0x0020:   Name: GLIBC_2.17  Flags: none  Version: 3
`,
    sections: `
  [11] .text             PROGBITS        000000000004d7c0 04c7c0 32bf16 00  AX  0   0 16
  [22] .comment          PROGBITS        0000000000000000 383a18 000028 01  MS  0   0  1
`,
    segments: '  GNU_STACK      0x000000 0x0000000000000000 0x0000000000000000 0x000000 0x000000 RW  0x0\n',
  };
  const target = TARGETS['linux-x64-glibc']!;
  const cases: readonly Case[] = [
    ['symbols', 'GLOBAL DEFAULT    11 napi_register_module_v1', 'LOCAL DEFAULT 11 x', 'exports no napi_register_module_v1'],
    ['symbols', '   134:', '   133: 00000000003332d0 11 FUNC WEAK DEFAULT 11 _Znwm\n   134:', 'exports _Znwm, which it may not'],
    ['dynamic', 'libpthread.so.0', 'libstdc++.so.6', 'needs libstdc++.so.6, which it may not'],
    ['dynamic', 'libpthread.so.0', 'libgomp.so.1', 'needs libgomp.so.1, which it may not'],
    [
      'symbols',
      '   134:',
      '   133: 0000000000333400 8 OBJECT UNIQUE DEFAULT 12 _ZGVx\n   134:',
      'exports _ZGVx, which it may not',
    ],
    ['dynamic', 'libc.so.6', 'libm.so.6', 'needs no libc.so.6'],
    ['versions', 'GLIBC_2.17 ', 'GLIBC_PRIVATE ', 'needs GLIBC_PRIVATE, which is no version'],
    ['versions', 'GLIBC_2.2.5 ', 'GLIBC_ABI_DT_RELR ', 'needs GLIBC_ABI_DT_RELR, which is no version'],
    ['dynamic', ' NODELETE', '', 'unloaded with the worker thread'],
    ['dynamic', '(FLAGS_1)', '(RUNPATH) Library runpath: [/home]\n (FLAGS_1)', 'has a path of libraries'],
    ['versions', 'GLIBC_2.17 ', 'GLIBC_2.28 ', 'needs GLIBC_2.28, which is newer than 2.17'],
    ['sections', '.comment ', '.init_array ', 'static initializers'],
    ['sections', '.comment ', '.symtab ', 'is not stripped'],
    ['segments', 'RW  0', 'RWE 0', 'stack that can be executed'],
  ];
  it('accepts what needs the C library alone', () => {
    expect(elfFaults(target, texts)).toEqual([]);
  });
  it.each(cases)('%s: "%s" -> "%s"', (...one) => {
    const faults = elfFaults(target, spoiled(texts, one));
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(one[3]);
  });
  it('of musl, no other C library', () => {
    const musl = { ...texts, dynamic: texts.dynamic.replace(/libc\.so\.6|libpthread\.so\.0/g, 'libc.so'), versions: '' };
    expect(elfFaults(TARGETS['linux-x64-musl']!, musl)).toEqual([]);
    expect(elfFaults(TARGETS['linux-x64-musl']!, texts)).toEqual([
      'needs libc.so.6, which it may not',
      'needs libpthread.so.0, which it may not',
      'needs no libc.so',
    ]);
  });
});

describe('macOS', () => {
  const texts = {
    headers: `
Load command 12
       cmd LC_BUILD_VERSION
   cmdsize 32
  platform macos
       sdk 27.0
     minos 11.0
Load command 14
          cmd LC_LOAD_DYLIB
      cmdsize 56
         name /usr/lib/libSystem.B.dylib (offset 24)
Load command 15
      cmd LC_CODE_SIGNATURE
  cmdsize 16
`,
    trie: `
Exports trie:
0x00001790  _napi_register_module_v1
0x00001788  _node_api_module_get_api_version_v1
0x00196050  ___dso_handle
`,
  };
  const target = TARGETS['darwin-arm64']!;
  const cases: readonly Case[] = [
    ['headers', 'minos 11.0', 'minos 15.0', 'is for macOS 15.0 and newer, expected 11.0'],
    ['headers', 'platform macos', 'platform ios', 'is not for macOS'],
    ['headers', 'libSystem.B', 'libc++.1', 'needs /usr/lib/libc++.1.dylib, which it may not'],
    ['headers', 'LC_CODE_SIGNATURE', 'LC_UUID', 'is not signed'],
    ['headers', 'Load command 14', '  sectname __mod_init_func\nLoad command 14', 'static initializers'],
    ['trie', '___dso_handle', '__Znwm', 'exports _Znwm, which it may not'],
  ];
  it('accepts what needs the system library alone', () => {
    expect(machFaults(target, texts)).toEqual([]);
  });
  it.each(cases)('%s: "%s" -> "%s"', (...one) => {
    expect(machFaults(target, spoiled(texts, one))).toContainEqual(expect.stringContaining(one[3]));
  });

  /** A Mach-O file of one load command and three pages and a half, signed ad hoc. */
  function signed(): Buffer {
    const [page, covered] = [4096, 3 * 4096 + 2048];
    const pages = Math.ceil(covered / page);
    const directory = Buffer.alloc(48 + 32 * pages);
    for (const [offset, value] of [
      [0, 0xfade0c02],
      [4, directory.length],
      [16, 48],
      [28, pages],
      [32, covered],
    ] as const)
      directory.writeUInt32BE(value, offset);
    directory.set([32, 2, 0, 12], 36);
    const blob = Buffer.alloc(20);
    for (const [k, value] of [0xfade0cc0, 20 + directory.length, 1, 0, 20].entries()) blob.writeUInt32BE(value, 4 * k);
    const code = Buffer.alloc(covered, 'code');
    code.writeUInt32LE(0xfeedfacf, 0);
    code.writeUInt32LE(1, 16);
    for (const [k, value] of [0x1d, 16, covered, blob.length + directory.length].entries()) code.writeUInt32LE(value, 32 + 4 * k);
    for (let k = 0; k < pages; k++) {
      createHash('sha256')
        .update(code.subarray(k * page, (k + 1) * page))
        .digest()
        .copy(directory, 48 + 32 * k);
    }
    return Buffer.concat([code, blob, directory]);
  }
  it('a file that was changed after it was signed', () => {
    const file = signed();
    expect(checkSignature(file)).toEqual([]);
    for (const [byte, fault] of [
      [5000, 'in page 1'],
      [3 * 4096 + 2047, 'in page 3'],
      [0, 'no 64-bit Mach-O'],
      [32, 'is not signed'],
      [3 * 4096 + 2048, 'a form that is not known'],
    ] as const) {
      const other = Buffer.from(file);
      other[byte]! ^= 1;
      expect(checkSignature(other)).toEqual([expect.stringContaining(fault)]);
    }
  });
});

describe('Windows', () => {
  const texts = {
    headers: 'Machine: IMAGE_FILE_MACHINE_AMD64 (0x8664)\nIMAGE_FILE_DLL (0x2000)\nDYNAMIC_BASE (0x40)\nNX_COMPAT (0x100)\n',
    imports: 'Import {\n  Name: ntdll.dll\n  Symbol: RtlUnwind (0)\n}\nImport {\n  Name: KERNEL32.dll\n}\n',
    exports: 'Export {\n  Name: napi_register_module_v1\n}\nExport {\n  Name: node_api_module_get_api_version_v1\n}\n',
    sections: 'Section {\n    Name: .text (2E 74)\n',
  };
  const target = TARGETS['win32-x64']!;
  const cases: readonly Case[] = [
    ['headers', 'AMD64', 'ARM64', 'is no library for x64'],
    ['headers', 'NX_COMPAT', '', 'has no NX_COMPAT'],
    ['imports', 'KERNEL32.dll', 'ADVAPI32.dll', 'needs no KERNEL32.dll'],
    ['imports', 'ntdll.dll', 'libc++.dll', 'needs libc++.dll, which it may not'],
    ['imports', 'ntdll.dll', 'node.exe', 'needs node.exe, which it may not'],
    ['exports', 'napi_register_module_v1', 'DllMain', 'exports DllMain, which it may not'],
    ['sections', '.text', '.debug_info', 'is not stripped'],
  ];
  it('accepts what needs the system alone', () => {
    expect(peFaults(target, texts)).toEqual([]);
  });
  it.each(cases)('%s: "%s" -> "%s"', (...one) => {
    expect(peFaults(target, spoiled(texts, one))).toContainEqual(expect.stringContaining(one[3]));
  });
});

it('an instruction in code that is not of its ISA', () => {
  const listing = (symbol: string): string =>
    `file format elf64-x86-64\n\n000000000004d7c0 <${symbol}>:\n   4d7c0:      \tpushq\t%rbp\n   4d7d4:      \tvaddps\t%ymm1, %ymm0, %ymm0\n`;
  const avx2 = listing('void gradclip::isa_avx2::map<float>(gradclip::Args const&)');
  expect(isaFaults('x86_64', avx2 + listing('gradclip::isa_avx512::map(gradclip::Args const&)'))).toEqual([]);
  for (const symbol of [
    'gradclip::isa_x86_64::map(gradclip::Args const&)',
    'std::__1::vector<float>::push_back(float&&)',
    '.plt',
  ]) {
    expect(isaFaults('x86_64', avx2 + listing(symbol))).toEqual([expect.stringContaining(symbol)]);
  }
});

it('a file in which the disassembler finds no code', () => {
  for (const cpu of ['x86_64', 'arm64'])
    expect(isaFaults(cpu, 'file format elf64-x86-64\n\n000000000004d7c0 <.text>:\n')).toEqual([
      expect.stringContaining('no instructions'),
    ]);
});

it('an instruction that the disassembler does not know, but for what asks the processor first', () => {
  const listing = (symbol: string): string => `00000000001a91f0 <${symbol}>:\n  1a929c:      \t<unknown>\n`;
  expect(isaFaults('arm64', listing('gradclip::Bound::run(int)'))).toEqual([expect.stringContaining('<unknown>')]);
  expect(isaFaults('arm64', listing('libunwind::Registers_arm64::getRegister(int) const'))).toEqual([]);
});

describe('names', () => {
  const named = { version: '1.2.3', repository: { type: 'git', url: 'git+https://example.org/a/b.git' } };
  it.each([
    ['no repository', { version: '1.2.3' }, { tag: 'v1.2.3' }, 'repository'],
    ['a repository without an address', { version: '1.2.3', repository: { type: 'git' } }, { tag: 'v1.2.3' }, 'repository'],
    ['an address that is no repository', { ...named, repository: 'https://example.org' }, {}, 'got "https://example.org"'],
    ['a repository of another name', named, { tag: 'v1.2.3', runsIn: 'a/c' }, 'published from, a/c, got a/b'],
    ['the tag of another version', named, { tag: 'v1.2.4' }, 'expected the tag v1.2.3, got v1.2.4'],
    ['a tag that is no version', named, { tag: '1.2.3' }, 'expected the tag v1.2.3, got 1.2.3'],
  ] as const)('a release of %s is refused', (_, manifest, workflow, fault) => {
    expect(nameFaults(manifest, workflow)).toEqual([expect.stringContaining(fault)]);
  });

  it('a release of the tag that package.json names, from the repository that it names, and one without a tag', () => {
    expect(nameFaults(named, { tag: 'v1.2.3', runsIn: 'a/b' })).toEqual([]);
    expect(nameFaults(named)).toEqual([]);
  });

  it('package.json names the repository once, and the rest comes of it', () => {
    const manifest = readManifest();
    expect(Object.keys(manifest)).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(homepage|bugs)$/)]));
    const { page, homepage, bugs } = addressesOf(manifest)!;
    expect([homepage, bugs]).toEqual([`${page}#readme`, `${page}/issues`]);
  });
});

it('lie where the loader looks for them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gradclip-prebuilds-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const targets = Object.values(TARGETS);
  for (const target of targets) {
    const file = join(folder, 'prebuilds', fileOf(target));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '');
  }
  const wanted = targets.map((target) => ({
    file: join(folder, 'prebuilds', fileOf(target)),
    system: `${target.platform}-${target.arch}`,
    tag: target.libc ?? null,
  }));
  expect(prebuilds(folder).sort((a, b) => (a.file < b.file ? -1 : 1))).toEqual(wanted.sort((a, b) => (a.file < b.file ? -1 : 1)));
});
