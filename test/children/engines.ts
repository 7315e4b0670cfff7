// engines.ts: holds an engine of the bench that is stopped, says which processes belong to it, and ends in one way or another. Arguments: how.
import { Engine } from '../../bench/engine.ts';

const script = `
  import { spawn } from 'node:child_process';
  const helper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  console.log(JSON.stringify({ variants: [], helper: helper.pid }));
  setInterval(() => {}, 1000);`;
const args = ['--input-type=module', '-e', script, '--'];
const task = { suite: 'step', cell: 'mlp-tiny', threads: 1 };
const engine = await Engine.open({ peer: 'fake', command: process.execPath, args }, task);
if (!(engine instanceof Engine)) throw new Error(engine);
console.log(JSON.stringify({ own: process.pid, processes: [engine.pid, engine.info.helper] }));
if (process.argv[2] === 'throw') throw new Error('as asked');
if (process.argv[2] === 'exit') process.exit(3);
setInterval(() => {}, 1000);
