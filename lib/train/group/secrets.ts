// secrets.ts: random bits of the system that the processes of a group have alike: what is drawn by them is the same in all.
import type { State } from '../../ir/graph.ts';
import { ARRAYS, bytesOf, type Data } from '../../ir/op.ts';
import { type Group, share } from '../../mpi/group.ts';
import { type Effect, type Loop, perform } from '../flow/effect.ts';

/** Where the states of a trainer are. */
interface Store {
  readonly own: readonly State[];
  readonly unshared: Set<State>;
  read(states: readonly State[]): Map<State, Data>;
  write(state: State, data: Data): void;
}

/** When no run is on. */
type InTurn = <T>(task: () => T) => Effect<T>;
/** Within a turn. */
export const inThisTurn: InTurn = (task) => ({ now: task, later: async () => task() });

/** All have those of process 0, before anything is trained. What MPI sends is as secret as the network between the processes. */
export function* shareSecrets(group: Group, where: string, store: Store, inTurn: InTurn): Loop<void> {
  const secrets = store.own.filter(({ secret }) => secret);
  if (secrets.length === 0 || group.size === 1) return;
  const first = group.rank === 0;
  const values = yield* perform(inTurn(() => store.read(secrets)));
  const own = secrets.map((state) => {
    const { buffer, byteOffset, byteLength } = values.get(state)!;
    return new Uint8Array(buffer, byteOffset, byteLength);
  });
  const facts = { secrets: secrets.map(({ name }) => name).join() };
  const [given] = yield* perform(share(group, where, { facts, ...(first && { bytes: Buffer.concat(own) }) }));
  yield* perform(
    inTurn(() => {
      let at = 0;
      for (const state of secrets) {
        const end = at + bytesOf(state.type);
        store.write(state, new ARRAYS[state.type.dtype](given!.slice(at, end).buffer));
        at = end;
      }
      store.unshared.clear();
    }),
  );
}
