// output.ts: files that a command is asked to write.
import { DataError, OptionError } from '../errors.ts';
import { checkWritable } from '../io/file/write.ts';

/** Now, rather than when all the work is done. @param flag where the file was named */
export async function checkOutput(flag: string, file: string): Promise<void> {
  try {
    await checkWritable(file);
  } catch (cause) {
    if (!(cause instanceof DataError)) throw cause;
    throw new OptionError(`${flag}: ${cause.message}`, { ...cause.details, file }, { cause });
  }
}
