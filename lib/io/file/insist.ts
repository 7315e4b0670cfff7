// insist.ts: Windows refuses to replace, rename or remove a file that somebody has open: a virus scanner, a backup, a reader. It is tried again.

/** Milliseconds between one try and the next: 2 s in all. */
const PAUSES: readonly number[] = [10, 20, 40, 80, 150, ...Array(8).fill(200), 100];
const OPEN_ELSEWHERE: readonly string[] = ['EACCES', 'EBUSY', 'EPERM'];

/** Whether an error of the system may mean that another program has the file open. */
export function isOpenElsewhere(error: unknown): boolean {
  return process.platform === 'win32' && OPEN_ELSEWHERE.includes((error as NodeJS.ErrnoException).code ?? '');
}

/** What `call` gives, at last. @throws what it throws, after 2 s where that may be because a file is open */
export async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (const pause of PAUSES) {
    try {
      return await call();
    } catch (error) {
      if (!isOpenElsewhere(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  return call();
}
