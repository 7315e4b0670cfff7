// mistakes.mjs: what tsc says of test/types/mistakes.ts, beside what its lines say that it should.
import { spawnSync } from 'node:child_process';

/**
 * Run a TypeScript compiler on a project.
 * @returns its errors, as `file(line)` with their text, those of one line together
 */
export function errorsOf(tsc, project) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '--noEmit', '--pretty', 'false', '-p', project], {
    cwd: project,
    encoding: 'utf8',
  });
  const found = new Map();
  let at = null;
  for (const text of stdout.split('\n')) {
    const start = /^(\S+\(\d+),\d+\): (error .*)$/.exec(text);
    if (start) at = `${start[1]})`;
    else if (/^error /.test(text)) at = 'project';
    if (at !== null && text !== '') found.set(at, `${found.get(at) ?? ''}${start?.[2] ?? text}\n`);
  }
  if (status !== 0 && found.size === 0) throw new Error(`${tsc} ended with ${status}:\n${stdout}${stderr}`);
  return found;
}

/** Lines that end with `//! text`: the place as `errorsOf` gives it, the code, and what its error must have in it. */
export function marksOf(file, source) {
  return source.split('\n').flatMap((line, i) => {
    const [, code, text] = /^(.*) \/\/! (.*)$/.exec(line) ?? [];
    return text === undefined ? [] : [{ at: `${file}(${i + 1})`, code: code.trim(), text }];
  });
}
