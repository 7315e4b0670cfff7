// containers.ts: what networks are put together with: Sequential, and modules as users write them: residuals, tied weights, branches.
import type { Tensor } from '../../../lib/ir/graph.ts';
import * as nn from '../../../lib/nn/index.ts';
import { add, concat } from '../../../lib/ops/index.ts';
import type { Row } from '../spec.ts';
import { kind, type LayerKind, type Unit } from './kind.ts';

const same = (a: Row, b: Row): boolean => `${a}` === `${b}`;

class Residual extends nn.Module {
  readonly inside: nn.Sequential;
  constructor(units: readonly Unit[]) {
    super();
    this.inside = new nn.Sequential(...units);
  }
  forward(x: Tensor): Tensor {
    return add(x, this.inside.forward(x));
  }
}

/** The same layers twice, under two names. */
class Tied extends nn.Module {
  readonly first: nn.Sequential;
  readonly again: { readonly second: nn.Sequential };
  constructor(units: readonly Unit[]) {
    super();
    this.first = new nn.Sequential(...units);
    this.again = { second: this.first };
  }
  forward(x: Tensor): Tensor {
    return this.again.second.forward(this.first.forward(x));
  }
}

/** Each layer on the same x, side by side. */
class Branches extends nn.Module {
  readonly units: readonly Unit[];
  constructor(units: readonly Unit[]) {
    super();
    this.units = units;
  }
  forward(x: Tensor): Tensor {
    const outs = this.units.map((unit) => unit.forward(x));
    return outs.length === 1 ? outs[0]! : concat(outs, -1);
  }
}

/** For layers that change no shape. */
function steady(make: (units: readonly Unit[]) => Unit): LayerKind {
  return kind({
    ranks: [1, 2, 3],
    own: true,
    draw(r, row, c) {
      const { layers, row: after } = c.inside(r, row, 2);
      return same(after, row) ? { options: {}, layers } : null;
    },
    make(_, row, c, layers) {
      const { units, row: after } = c.inside(layers, row);
      if (!same(after, row)) throw new Error(`expected [${row}] again, got [${after}]`);
      return make(units);
    },
  });
}

export const CONTAINERS: Readonly<Record<string, LayerKind>> = {
  Sequential: kind<{ named?: boolean }>({
    ranks: [1, 2, 3],
    draw: (r, row, c) => ({ options: r.chance(0.5) ? { named: true } : {}, layers: c.inside(r, row, 3).layers }),
    make({ named }, row, c, layers) {
      const { units } = c.inside(layers, row);
      return named
        ? new nn.Sequential(Object.fromEntries(units.map((unit, i) => [`part${i}`, unit])))
        : new nn.Sequential(...units);
    },
  }),
  residual: steady((units) => new Residual(units)),
  tied: steady((units) => new Tied(units)),
  branches: kind({
    ranks: [1],
    own: true,
    draw(r, row, c) {
      const both = [c.inside(r, row, 1), c.inside(r, row, 1)];
      if (both.some((one) => one.layers.length === 0 || one.row.length !== 1)) return null;
      return { options: {}, layers: both.flatMap((one) => one.layers) };
    },
    make(_, row, c, layers) {
      return new Branches(layers.flatMap((layer) => c.inside([layer], row).units));
    },
  }),
};
