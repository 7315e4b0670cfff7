// first.ts: what process 0 of a group does for all of them: it reads and writes files, and the others have the state that it has then.
import { type Group, share } from '../../mpi/group.ts';
import { known } from '../../mpi/words.ts';

/** What was done, and the state that others are to have; null: the one they have. */
export interface Done<R> {
  readonly result: R;
  readonly state: Uint8Array | null;
}

/**
 * Process 0 does it, and each gets what it gives, as JSON keeps it. Where it fails, all do.
 * @param take what the others do with the state
 * @throws (rejects) what `work` does, in process 0; GradclipError ERR_GROUP with that text in the others
 */
export async function byFirst<R>(
  group: Group,
  where: string,
  work: () => Promise<Done<R>>,
  take: (state: Uint8Array) => Promise<void> = async () => {},
): Promise<R> {
  const place = { place: where };
  if (group.rank === 0) {
    const { result, state } = await orAllFail(group, where, work);
    const head = Buffer.from(JSON.stringify({ result, whole: state !== null }));
    const length = Buffer.from(Uint32Array.of(head.length).buffer);
    await share(group, where, { facts: place, bytes: Buffer.concat([length, head, state ?? NOTHING]) }).later();
    await share(group, where, { facts: { place: `the end of ${where}` } }).later();
    return result;
  }
  const [first] = await share(group, where, { facts: place }).later();
  const from = 4 + new DataView(first!.buffer, first!.byteOffset).getUint32(0, true);
  const { result, whole } = JSON.parse(Buffer.from(first!.subarray(4, from)).toString()) as { result: R; whole: boolean };
  await orAllFail(group, where, async () => {
    if (whole) await take(first!.slice(from));
  });
  await share(group, where, { facts: { place: `the end of ${where}` } }).later();
  return result;
}
const NOTHING: Uint8Array = new Uint8Array(0);

/** The others, who wait for a process in which something fails, hear of it. */
async function orAllFail<R>(group: Group, where: string, work: () => Promise<R>): Promise<R> {
  try {
    return await work();
  } catch (error) {
    const failure = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    // Where others are elsewhere, that is not what went wrong here.
    await share(group, where, { facts: { failure } })
      .later()
      .then(() => known(error))
      .catch(() => {});
    throw error;
  }
}

/** Process 0 writes a file; all go on when it is there. */
export const writtenByFirst = (group: Group, where: string, write: () => Promise<void>): Promise<void> =>
  byFirst(group, where, async () => {
    await write();
    return { result: undefined, state: null };
  });
