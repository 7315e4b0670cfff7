// flats.mjs: what the recipes beside it share: a table of made-up flats, and a network that learns their price from it.
import { columns, loss, nn, ops, optim, preprocess, readColumns, Trainer } from 'gradclip';

export const ROWS = 20_000;
export const COLUMNS = ['area', 'rooms', 'age', 'garden', 'price'];

/** Whole numbers but for the price: so any database makes the same. */
export function flat(i) {
  const [area, rooms, age, garden] = [30 + ((i * 37) % 171), 1 + ((i * 7) % 5), (i * 13) % 100, i % 3 === 0];
  return { area, rooms, age, garden, price: (area * 15 + rooms * 100 - age * 4 + (garden ? 200 : 0)) / 1000 };
}

/** Two epochs of the table: a function that gives its parts. */
export async function train(table) {
  const arrays = { x: ['area', 'rooms', 'age', 'garden'], y: ['price'] };
  // A transform learns from the first rows.
  const { x } = await readColumns(table, arrays, { limit: 5000 });
  const trainer = new Trainer({
    model: new nn.Sequential(new nn.Linear(4, 16), ops.tanh, new nn.Linear(16, 1)),
    loss: ({ x, y }, model) => loss.mse(model.forward(x), y),
    optimizer: optim.adamw({ lr: 0.01 }),
    preprocess: { x: preprocess.standardize().fit(x) },
    batchSize: 64,
  });
  const { tried, last } = await trainer.fit(columns(table, arrays, { shuffle: 4096 }), { epochs: 2 });
  const { data } = await trainer.predict([[80, 3, 10, 1]]);
  console.log(`${tried} steps, loss ${last?.loss.toExponential(2)}, a flat of 80 m2: ${data[0].toFixed(3)}`);
}
