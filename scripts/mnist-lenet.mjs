// mnist-lenet.mjs: `npm run -s compare:mnist-lenet -- FOLDER PYTHON [SEEDS]`: examples/mnist-lenet.ts and the same in PyTorch, in turns,
// on 2 threads: accuracy and the time of training and test. PYTHON has PyTorch; FOLDER has the images.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [folder, python, seeds = '1'] = process.argv.slice(2);
if (!folder || !python) {
  console.error('mnist-lenet: expected FOLDER PYTHON [SEEDS]');
  process.exit(2);
}
const example = new URL('../dist/examples/mnist-lenet.js', import.meta.url).href;
const run = (name, command, args) => {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  const seconds = ((performance.now() - started) / 1000).toFixed(2);
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
  console.log(`${name.padEnd(9)} ${stdout.trim()}; the whole process ${seconds} s`);
};
for (let seed = 0; seed < Number(seeds); seed++) {
  const code = `await (await import(${JSON.stringify(example)})).main(${JSON.stringify(folder)}, { seed: ${seed}, threads: 2 })`;
  run('gradclip', process.execPath, ['--input-type=module', '--eval', code]);
  run('pytorch', python, [fileURLToPath(new URL('mnist_lenet.py', import.meta.url)), folder, '2', String(seed)]);
}
