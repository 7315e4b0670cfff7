// index.ts of math: elementary functions of f64 whose bits are the same in every engine.
export { squareOf } from './double.ts';
export { exp, log, log1p, log10, pow, tanh } from './exponential.ts';
export { cos, sin } from './trigonometric.ts';
