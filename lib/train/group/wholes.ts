// wholes.ts: states of which the processes of a group have a part each, put together for a file.
import type { State } from '../../ir/graph.ts';
import { ARRAYS, type Data, sizeOf } from '../../ir/op.ts';
import { collect, type Group } from '../../mpi/group.ts';
import { partOf } from '../../ops/step/parts.ts';
import { after, type Wait } from '../flow/effect.ts';

type Values = ReadonlyMap<State, Data>;

/**
 * Values with the whole of each state that is shared out, one state after the other, so that no process but 0 has more than its part: there those are
 * left out. All processes must ask for it, of the same states.
 */
export function wholes(values: Values, group: Group, sync: boolean): Wait<Values> {
  const own = [...values.keys()].filter(({ part }) => part !== undefined);
  let all: Wait<Map<State, Data>> = new Map(values);
  for (const state of own) {
    const { buffer, byteOffset, byteLength } = values.get(state)!;
    const parts = (): Wait<readonly Uint8Array[] | null> => {
      const asked = collect(group, 'save', new Uint8Array(buffer, byteOffset, byteLength));
      return sync ? asked.now() : asked.later();
    };
    all = after(all, (map) =>
      after(parts(), (given) => {
        if (given) map.set(state, joined(state, given));
        else map.delete(state);
        return map;
      }),
    );
  }
  return all;
}

/** @param parts of each process */
function joined({ type, part }: State, parts: readonly Uint8Array[]): Data {
  const elements = sizeOf(part!.whole.shape);
  const data = new ARRAYS[type.dtype](elements) as Data;
  const bytes = new Uint8Array(data.buffer);
  for (const [rank, piece] of parts.entries()) {
    bytes.set(piece, data.BYTES_PER_ELEMENT * partOf(elements, { rank, size: parts.length })[0]);
  }
  return data;
}
