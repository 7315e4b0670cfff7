// save.ts: writes checkpoints. node save.js FILE once: says with which error it failed. FILE forever: says when the first is written.
import { io } from '../../lib/index.ts';

const [file, how] = process.argv.slice(2) as [string, string];
const save = (number: number): Promise<void> => {
  const tensors = Array.from({ length: 20 }, (_, i): [string, io.TensorData] => [
    `tensor ${i}`,
    { dtype: 'f32', shape: [50_000], data: new Float32Array(50_000).fill(number) },
  ]);
  return io.writeSafetensors(file, new Map(tensors), { number: String(number) });
};
if (how === 'once') {
  await save(0).catch((error: { code: string; message: string }) => {
    console.log(JSON.stringify({ code: error.code, message: error.message }));
  });
} else {
  for (let number = 1; ; number++) {
    await save(number);
    if (number === 1) console.log('"started"');
  }
}
