// host.ts: what watchers may do with a trainer's state: read it, put it back, and tell it by the names that it has in files.
import type { State } from '../../ir/graph.ts';
import { type Data, sizeOf } from '../../ir/op.ts';
import { dtypeOf } from '../feed/source.ts';
import { nameByState } from '../state/checkpoint.ts';
import type { Setup } from '../state/setup.ts';
import type { Host } from '../watch/watcher.ts';

/** @param sync reads are done at once */
export function hostOf(setup: Setup, sync: boolean): Host {
  const { store } = setup;
  let found: ReadonlyMap<State, string> | null = null;
  // Asked for when something is kept: most runs keep nothing.
  const nameOf = (state: State): string => {
    found ??= nameByState(setup.named.states());
    return found.get(state)!;
  };
  return {
    read: (states) => (sync ? store.read(states) : store.snapshot(states)),
    write(values) {
      for (const [state, data] of values) store.write(state, data);
    },
    named: (values) => new Map([...values].map(([state, data]) => [nameOf(state), data])),
    found(values, states) {
      const found = new Map<State, Data>();
      for (const state of states) {
        const data = values.get(nameOf(state));
        if (data?.length !== sizeOf(state.type.shape) || dtypeOf(data) !== state.type.dtype) return null;
        found.set(state, data);
      }
      return found;
    },
  };
}
