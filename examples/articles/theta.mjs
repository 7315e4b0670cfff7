// theta.mjs: gradient descent written out, with a gradient of one's own. theta has two numbers; f is Rosenbrock's valley, whose walls
// are steep: its smallest value is 0, at (1, 1).
import { clip, optim } from 'gradclip';

const f = (theta) => {
  const [a, b] = theta;
  return (1 - a) ** 2 + 100 * (b - a * a) ** 2;
};
const gradient = (theta) => {
  const [a, b] = theta;
  return Float32Array.of(2 * (a - 1) - 400 * a * (b - a * a), 200 * (b - a * a));
};

for (const lr of [0.002, 0.003]) {
  for (const policy of [clip.none(), clip.value(1)]) {
    const theta = Float32Array.of(-1.5, 2);
    // Each step: theta = theta - lr * clip(gradient), in place.
    const descent = optim.sgd({ lr }).bind({ theta }, { clip: policy });
    let [steps, clipped] = [0, 0];
    for (; steps < 5000 && f(theta) < 1e9; steps++) {
      if (descent.step({ theta: gradient(theta) }).clipped) clipped++;
    }
    const where = Array.from(theta, (value) => value.toFixed(2)).join(', ');
    console.log(`lr ${lr}, ${policy.name}: f is ${f(theta).toPrecision(1)} at (${where})`);
    console.log(`  after ${steps} steps, of which ${clipped} were clipped`);
  }
}
