// layers.test.ts: left never imports right: errors < math < text < options < ir < ... < cli. lib/index.ts stands above all.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ORDER =
  'errors math text options ir ops autodiff compile native mpi io onnx data nn metrics models privacy clip optim history pages train callbacks tune lab cli public index'.split(
    ' ',
  );
const rank = (path: string): number => ORDER.indexOf(path.split('/')[1]!.replace('.ts', ''));
const files = (readdirSync('lib', { recursive: true }) as string[]).filter((f) => f.endsWith('.ts')).map((f) => `lib/${f}`);

it('left never imports right, and every folder has a place', () => {
  expect(files.length).toBeGreaterThan(300);
  expect(files.filter((file) => rank(file) < 0)).toEqual([]);
  const wrong = files.flatMap((file) => {
    const source = readFileSync(file, 'utf8');
    const paths = [...source.matchAll(/(?:from|import\(|^import) *'(\.[^']+)'/gm)].map(([, target]) => join(file, '..', target!));
    return paths.filter((path) => rank(path) > rank(file)).map((path) => `${file} imports ${path}`);
  });
  expect(wrong).toEqual([]);
});

// Of lib/train: options.ts, types alone, is everybody's; a fit reads what it is given; other files of the folder itself stand above its rooms.
const ROOMS = 'flow group feed step programs precision generate state watch tuning run'.split(' ');
const room = (path: string): number => {
  const [, , name] = path.split('/');
  if (name === 'options.ts') return -1;
  return name === 'given.ts' ? ROOMS.length - 1 : name!.endsWith('.ts') ? ROOMS.length : ROOMS.indexOf(name!);
};

it.each(files.filter((file) => file.startsWith('lib/train/')))('%s, among the rooms of lib/train', (file) => {
  const source = readFileSync(file, 'utf8');
  if (file === 'lib/train/options.ts') expect(source).not.toMatch(/^import (?!type )|^export (?!interface |type )/m);
  else expect(room(file), 'a room with no place in the order').toBeGreaterThanOrEqual(0);
  for (const [, target] of source.matchAll(/(?:from|import\(|^import) *'(\.[^']+)'/gm)) {
    const path = join(file, '..', target!);
    if (file === 'lib/train/options.ts' || !path.startsWith('lib/train/')) continue;
    expect(room(path), `${file} imports ${path}`).toBeLessThanOrEqual(room(file));
  }
});

// What of binding/ includes something that is not of C++ or of gradclip itself, and what.
const OF_SYSTEMS: Readonly<Record<string, readonly string[]>> = {
  'executor.h': ['node_api.h'],
  'js/addon.cc': ['napi.h'],
  'processor/x86_64.cc': ['cpuid.h'],
  'processor/x86_64.h': ['xmmintrin.h'],
  'region/openmp_library.cc': ['omp.h'],
};
const STANDARD = new Set(
  `algorithm atomic chrono cmath condition_variable cstring functional initializer_list map memory mutex new set stdexcept string system_error unordered_set
  utility vector stdarg.h stddef.h stdint.h stdio.h stdlib.h string.h`.split(/\s+/),
);

it('what asks the operating system lies in binding/port', () => {
  const sources = (readdirSync('binding', { recursive: true, encoding: 'utf8' }) as string[])
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => /\.(h|cc|inc)$/.test(name) && !/^(port|kernels)\//.test(name));
  const found = sources.flatMap((name): [string, string[]][] => {
    const includes = [...readFileSync(`binding/${name}`, 'utf8').matchAll(/#include <(.+)>/g)].map(([, header]) => header!);
    const others = includes.filter((header) => !STANDARD.has(header));
    return others.length > 0 ? [[name, others]] : [];
  });
  expect(Object.fromEntries(found)).toEqual(OF_SYSTEMS);
});
