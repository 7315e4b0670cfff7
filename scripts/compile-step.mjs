// compile-step.mjs: a training step from model to bound program, as Trainer makes it, with a clock between the parts; for start.mjs and
// memory.mjs.

import { compile, prepare } from '../dist/lib/compile/compile.js';
import { defaultLayout } from '../dist/lib/compile/layout.js';
import { orderOf } from '../dist/lib/compile/order.js';
import { plan } from '../dist/lib/compile/plan.js';
import { rows } from '../dist/lib/index.js';
import { allocate, CompiledProgram, target } from '../dist/lib/native/program.js';
import { ApplyStates } from '../dist/lib/optim/apply/apply.js';
import { Checkpointed } from '../dist/lib/train/step/checkpointed.js';
import { groupParameters } from '../dist/lib/train/step/groups.js';
import { traceTrain } from '../dist/lib/train/step/step.js';

/** One batch holds all of `data`; `checkpointed` are paths of modules, the rest is as a trainer has it. Times in milliseconds; `plan` gives the memory plan, which says how small an arena could be. */
export function compileStep({ model, loss, optimizer, clip, data, checkpointed = [], precision = 'f32', activations = 'f32' }) {
  const source = rows(data);
  const count = data.x.shape[0];
  model.initialize(0n);
  const marks = [performance.now()];
  const groups = groupParameters({ model, loss, optimizer }, new Map());
  const nothing = { accumulators: null, perLayer: false, penalties: [], scaling: null, guarding: null, ema: null };
  const again = new Checkpointed(model, checkpointed);
  const spec = {
    model,
    loss,
    groups,
    states: new ApplyStates(),
    policy: clip,
    checkpointed: again,
    precision,
    activations,
    ...nothing,
  };
  const { graph } = traceTrain(spec, count, (g) => source.trace(g, count));
  marks.push(performance.now());
  const layout = defaultLayout(graph);
  const program = compile(graph, { ...target(), layout });
  marks.push(performance.now());
  new CompiledProgram(program).bind(layout.blocks.map((block) => allocate(Math.max(1, block.bytes))));
  marks.push(performance.now());
  const [trace, compiled, bind] = marks.slice(1).map((mark, i) => mark - marks[i]);
  const planned = () => {
    const simple = prepare(graph);
    return plan(simple, orderOf(simple), layout);
  };
  return { program, times: { trace, compile: compiled, bind }, plan: planned };
}
