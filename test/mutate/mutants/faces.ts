// faces.ts: of options, files, text, the command line.
import type { Mutants } from '../mutant.ts';

export const FACES: Mutants = {
  'a surplus argument is taken in silence': {
    file: 'lib/options/signature.ts',
    before: 'if (given.length > most || (given.length > 2',
    after: 'if (given.length > most + 1 || (given.length > 2',
    tests: ['test/options/reader.test.ts'],
  },
  'a bound that is not allowed is': {
    file: 'lib/options/field.ts',
    before: '(above === undefined || value > above) &&',
    after: '(above === undefined || value >= above) &&',
    tests: ['test/options/reader.test.ts'],
  },
  'what a function of the step gives is not checked': {
    file: 'lib/options/field.ts',
    before: 'return kind.fits(now) ? now : kind.read(now, place.at(`step ${step}`));',
    after: 'return now as number;',
    tests: ['test/options/reader.test.ts'],
  },
  'an empty text is one': {
    file: 'lib/options/field.ts',
    before: "if (typeof value !== 'string' || value === '') throw place.wrong('a text', value);",
    after: "if (typeof value !== 'string') throw place.wrong('a text', value);",
    tests: ['test/options/reader.test.ts'],
  },
  'a class is called as a function': {
    file: 'lib/options/field.ts',
    before: "if (typeof value === 'function' && !isClass(value)) return value as T;",
    after: "if (typeof value === 'function') return value as T;",
    tests: ['test/options/reader.test.ts test/faces/walk.test.ts'],
  },
  'any name is near to any other': {
    file: 'lib/options/words.ts',
    before: 'let least = Math.max(2, Math.floor(name.length / 3)) + 1;',
    after: 'let least = 2;',
    tests: ['test/options/reader.test.ts'],
  },
  'two tensors of a file may overlap': {
    file: 'lib/io/arrays/safetensors-header.ts',
    before: 'if (e.begin !== at) {',
    after: 'if (e.begin > at) {',
    tests: ['test/io/safetensors.test.ts test/io/hostile-safetensors.test.ts'],
  },
  'bytes behind the last tensor are let pass': {
    file: 'lib/io/arrays/safetensors-header.ts',
    before: 'if (at !== size) throw malformed',
    after: 'if (at > size) throw malformed',
    tests: ['test/io/safetensors.test.ts test/io/hostile-safetensors.test.ts'],
  },
  'a shape that overflows is believed': {
    file: 'lib/io/arrays/safetensors-header.ts',
    before: '!(sizeOf(shape) * bits === (end - begin) * 8)',
    after: 'sizeOf(shape) * bits < (end - begin) * 8',
    tests: ['test/io/safetensors.test.ts test/io/hostile-safetensors.test.ts'],
  },
  'a key that comes twice is taken the second time': {
    file: 'lib/io/arrays/safetensors-header.ts',
    before: 'if (before !== undefined) throw bad(`the header has the key ${JSON.stringify(key)} twice`);',
    after: 'if (before === null) throw bad(`the header has the key ${JSON.stringify(key)} twice`);',
    tests: ['test/io/safetensors.test.ts test/io/hostile-safetensors.test.ts'],
  },
  'a .npy header of 1 byte more than allowed is read': {
    file: 'lib/io/arrays/npy-header.ts',
    before: 'if (length > MAX_NPY_HEADER) throw fail',
    after: 'if (length > MAX_NPY_HEADER + 1) throw fail',
    tests: ['test/io/npy.test.ts test/io/hostile-arrays.test.ts'],
  },
  'a row of too few cells is let pass': {
    file: 'lib/io/csv/parser.ts',
    before: 'if (count !== width) throw this.#error(`expected ${width} cells',
    after: 'if (count > width) throw this.#error(`expected ${width} cells',
    tests: ['test/io/tables.test.ts test/io/io.test.ts'],
  },
  'a number too large for f32 becomes infinite': {
    file: 'lib/io/csv/parser.ts',
    before: 'if (!Number.isFinite(Math.fround(value))) {',
    after: 'if (!Number.isFinite(value)) {',
    tests: ['test/io/tables.test.ts test/io/io.test.ts'],
  },
  'an IDX file that ends early has zeros at its end': {
    file: 'lib/io/arrays/idx.ts',
    before: 'if (this.#filled < this.#data.length) {',
    after: 'if (this.#filled < 0) {',
    tests: ['test/io/io.test.ts test/io/hostile-arrays.test.ts'],
  },
  'lists lie one deeper within each other than is allowed': {
    file: 'lib/io/limits.ts',
    before: 'export const MAX_DEPTH = 64;',
    after: 'export const MAX_DEPTH = 65;',
    tests: ['test/io/texts.test.ts'],
  },
  'what a living process writes is removed as left over': {
    file: 'lib/io/file/temporary.ts',
    before: 'return stat === null || (!stat.ended && stat.start === start);',
    after: 'return stat !== null && !stat.ended && stat.start !== start;',
    tests: ['test/io/writing.test.ts'],
  },
  'files of other machines go at once': {
    file: 'lib/io/file/temporary.ts',
    before: 'if (place !== own.place) return untouched(file);',
    after: 'if (place !== own.place) return true;',
    tests: ['test/io/writing.test.ts'],
  },
  'a minute is said to have 100 seconds': {
    file: 'lib/text/format.ts',
    before: 'if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;',
    after: 'if (ms < 100_000) return `${(ms / 1000).toFixed(1)} s`;',
    tests: ['test/text/format.test.ts'],
  },
  'the median of an even number is the upper one': {
    file: 'lib/text/format.ts',
    before: '(sorted[half - 1]! + sorted[half]!) / 2',
    after: 'sorted[half]!',
    tests: ['test/text/format.test.ts'],
  },
  'a wrong usage is told as any failure is': {
    file: 'lib/cli/exit.ts',
    before: 'if (error instanceof OptionError) return EXIT.usage;',
    after: 'if (error instanceof OptionError) return EXIT.runtime;',
    tests: ['test/cli/exit.test.ts'],
  },
  'nothing but spikes is told as any failure is': {
    file: 'lib/cli/exit.ts',
    before:
      'if (error instanceof NonFiniteError || error instanceof GuardError || error instanceof SkipError) return EXIT.diverged;',
    after: 'if (error instanceof NonFiniteError || error instanceof GuardError) return EXIT.diverged;',
    tests: ['test/cli/exit.test.ts'],
  },
};
