// check.mjs: looks into a built add-on with LLVM's tools: that it needs nothing but what every system of its kind has, exports nothing but Node-API's two
// functions, and holds no instruction that an older processor lacks.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkDisassembly } from '../check-isa.mjs';
import { checkSignature } from './signature.mjs';

const EXPORTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

const tool = (name, ...args) => execFileSync(name, args, { encoding: 'utf8', maxBuffer: 1 << 30 });
const all = (text, pattern) => [...text.matchAll(pattern)].map(([, found]) => found);

/** Faults where a list has what it may not have, or lacks what it must. */
function compare(what, found, { may, must = [] }) {
  const surplus = found.filter((name) => !may.test(name) && !must.includes(name));
  const missing = must.filter((name) => !found.includes(name));
  return [...surplus.map((name) => `${what} ${name}, which it may not`), ...missing.map((name) => `${what} no ${name}`)];
}

const NOTHING = /^$/;

/** -1, 0 or 1, of versions such as 2.17. */
const order = (a, b) => a.localeCompare(b, 'en', { numeric: true });

/** The library of the system itself, which lies on every machine that Node.js runs on: what may be needed, and what must be. */
const SYSTEM = {
  glibc: {
    must: ['libc.so.6'],
    may: /^(lib(m\.so\.6|pthread\.so\.0|dl\.so\.2|rt\.so\.1)|ld-linux-(x86-64\.so\.2|aarch64\.so\.1))$/,
  },
  musl: { must: ['libc.so'], may: NOTHING },
};

/** Text of `llvm-readelf`, by what was asked. */
export function elfFaults({ libc, floor }, { symbols, dynamic, versions, sections, segments }) {
  // name and version, of what is defined
  const exported = all(symbols, /^ *\d+: [0-9a-f]+ +\d+ \w+ +(?:GLOBAL|WEAK|UNIQUE) +\w+ +(?!UND)\S+ (\S+)$/gm);
  const wanted = all(versions, /Name: (\S+)/g);
  const strange = wanted.filter((name) => !/^GLIBC_\d+(\.\d+)+$/.test(name));
  const highest =
    wanted
      .filter((name) => !strange.includes(name))
      .map((name) => name.slice('GLIBC_'.length))
      .sort(order)
      .at(-1) ?? '0';
  return [
    ...compare('exports', exported, { may: NOTHING, must: EXPORTS }),
    ...compare('needs', all(dynamic, /\(NEEDED\).*\[(.+)\]/g), SYSTEM[libc]),
    ...strange.map((name) => `needs ${name}, which is no version that every glibc has`),
    ...(/\bNODELETE\b/.test(dynamic) ? [] : ['would be unloaded with the worker thread that imported it (no NODELETE)']),
    ...(/\((RPATH|RUNPATH|TEXTREL)\)/.test(dynamic) ? ['has a path of libraries, or text that is written to'] : []),
    ...(floor && order(highest, floor) > 0 ? [`needs GLIBC_${highest}, which is newer than ${floor}`] : []),
    ...(/\.(init_array|ctors|preinit_array)\b/.test(sections) ? ['runs code when it is loaded (static initializers)'] : []),
    ...(/\.(symtab|debug_\w+)\b/.test(sections) ? ['is not stripped'] : []),
    ...(/GNU_STACK .* RW +0/.test(segments) ? [] : ['has a stack that can be executed']),
  ];
}

const elf = (target, file) => {
  const read = (flag) => tool('llvm-readelf', '-W', flag, file);
  const texts = {
    symbols: read('--dyn-syms'),
    dynamic: read('-d'),
    versions: read('-V'),
    sections: read('-S'),
    segments: read('-l'),
  };
  return elfFaults(target, texts);
};

/** What zig's linker exports besides: where the file itself begins. */
const OWN_ADDRESS = /^_(_dso_handle|mh_dylib_header)$/;

/** Text of `llvm-objdump --macho`. */
export function machFaults({ floor }, { headers, trie }) {
  const command = (name) => all(headers, new RegExp(`cmd ${name}\\n([\\s\\S]*?)(?=Load command|$)`, 'g'));
  const version = /minos (\S+)/.exec(command('LC_BUILD_VERSION')[0] ?? '')?.[1] ?? 'none';
  const exported = all(trie, /^0x[0-9A-Fa-f]+ +_(\S+)/gm);
  const libraries = command('LC_LOAD_(?:WEAK_)?DYLIB').map((text) => /name (\S+)/.exec(text)[1]);
  return [
    ...compare('exports', exported, { may: OWN_ADDRESS, must: EXPORTS }),
    ...compare('needs', libraries, { may: NOTHING, must: ['/usr/lib/libSystem.B.dylib'] }),
    ...(command('LC_RPATH').length > 0 ? ['has a path of libraries'] : []),
    ...(version === floor ? [] : [`is for macOS ${version} and newer, expected ${floor}`]),
    ...(/\bPLATFORM_MACOS\b|platform (macos|1)\b/i.test(command('LC_BUILD_VERSION')[0] ?? '') ? [] : ['is not for macOS']),
    ...(/__mod_init_func|__init_offsets/.test(headers) ? ['runs code when it is loaded (static initializers)'] : []),
    ...(command('LC_CODE_SIGNATURE').length === 1 ? [] : ['is not signed']),
  ];
}

const mach = (target, file) => {
  const read = (flag) => tool('llvm-objdump', '--macho', flag, file);
  const texts = { headers: read('--private-headers'), trie: read('--exports-trie') };
  return [...machFaults(target, texts), ...checkSignature(readFileSync(file))];
};

/** What Windows 10 has. The program that loads the add-on is found when it runs (windows_node_api.cc), since node.exe may have another name. */
const WINDOWS = { must: ['KERNEL32.dll'], may: /^(ntdll|ADVAPI32|api-ms-win-(crt|core)-[\w-]+)\.dll$/i };

/** Text of `llvm-readobj`. */
export function peFaults(_, { headers, imports, exports, sections }) {
  return [
    ...compare('exports', all(exports, /^ *Name: (\S+)$/gm), { may: NOTHING, must: EXPORTS }),
    ...compare('needs', all(imports, /^(?:Delay)?Import \{\s+Name: (\S+)$/gm), WINDOWS),
    ...(/IMAGE_FILE_DLL/.test(headers) && /IMAGE_FILE_MACHINE_AMD64/.test(headers) ? [] : ['is no library for x64']),
    ...['DYNAMIC_BASE', 'NX_COMPAT'].filter((flag) => !headers.includes(flag)).map((flag) => `has no ${flag}`),
    ...(/Name: \.debug/.test(sections) ? ['is not stripped'] : []),
  ];
}

const pe = (target, file) => {
  const read = (flag) => tool('llvm-readobj', flag, file);
  const texts = {
    headers: read('--file-headers'),
    imports: read('--coff-imports'),
    exports: read('--coff-exports'),
    sections: read('--sections'),
  };
  return peFaults(target, texts);
};

const FORMATS = { elf, 'mach-o': mach, pe };
/** By family of processors: what runs on all of them; null where that is all there is. */
const BASELINE = { x86_64: 'x86_64', arm64: 'neon', apple: null };

/** What unwinds the stack reads the registers of SVE and SME where a frame or the processor says that there are any. */
const ASKS_FIRST = /^[0-9a-f]+ <(libunwind::|__libunwind_)/;

const disassembled = (file) => tool('llvm-objdump', '--disassemble', '--demangle', '--no-show-raw-insn', file);
/** As GNU's objdump prints it. */
const normal = (text) => text.replace(/^( *[0-9a-f]+:) +/gm, '$1');

const INSTRUCTION = /^ *[0-9a-f]+: +\t/m;
const NO_CODE = 'has no instructions that could be looked at';

/** Text of `llvm-objdump --disassemble --demangle`: what lies in the namespace of an ISA is of that ISA, everything else of the baseline. */
export function isaFaults(cpu, text) {
  if (BASELINE[cpu] === null) return [];
  if (!INSTRUCTION.test(text)) return [NO_CODE];
  const parts = {};
  for (const part of text.split(/^(?=[0-9a-f]{8,} <)/m)) {
    if (ASKS_FIRST.test(part)) continue;
    const isa = /^[0-9a-f]+ <[^\n]*?\bgradclip::isa_(\w+)::/.exec(part)?.[1] ?? BASELINE[cpu];
    parts[isa] ??= [];
    parts[isa].push(part);
  }
  return Object.entries(parts).flatMap(([isa, of]) => checkDisassembly(isa, normal(of.join(''))));
}

/** The same of the objects that an add-on was linked from: in files for Windows functions have no names. */
function objectFaults(cpu, build) {
  const names = readdirSync(build, { recursive: true }).filter((name) => /\.obj?$/.test(name));
  let any = false;
  const faults = names.flatMap((name) => {
    const text = disassembled(join(build, name));
    any ||= INSTRUCTION.test(text);
    const isa = /kernels_(\w+)\.dir/.exec(name)?.[1] ?? BASELINE[cpu];
    return checkDisassembly(isa, normal(text));
  });
  return any ? faults : [NO_CODE];
}

/**
 * @param files `file`: the add-on; `build`: the folder it was built in; `named`: the add-on with the names of its functions, if it has any
 * @returns faults, none in one that may be published
 */
export function checkPrebuild(target, { file, named, build }) {
  const isa = named ? isaFaults(target.cpu, disassembled(named)) : objectFaults(target.cpu, join(build, 'CMakeFiles'));
  return [...FORMATS[target.format](target, file), ...isa];
}
