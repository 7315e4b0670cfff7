// data.mjs: what the programs of this folder learn: a b + c of rows (a, b, c, d), from answers that are wrong by a little mostly, and now and
// then by a lot (Cauchy's noise, times 0.1). To test there are 1,000 rows with the right answers.
let state = 1;
const random = () => {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
};
const rows = (n) => Array.from({ length: n }, () => Array.from({ length: 4 }, () => 2 * random() - 1));
const answer = (row) => row[0] * row[1] + row[2];
const noise = () => 0.1 * Math.tan(Math.PI * (random() - 0.5));

const [x, unseen] = [rows(2000), rows(1000)];
export const train = { x, y: x.map((row) => [answer(row) + noise()]) };
export const test = { x: unseen, y: unseen.map((row) => [answer(row)]) };

/** The number that a part of them is below. */
export const quantile = (numbers, part) => numbers.toSorted((a, b) => a - b)[Math.floor(part * (numbers.length - 1))];
