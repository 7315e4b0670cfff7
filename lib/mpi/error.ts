// error.ts: what goes wrong between processes that train together.
import { GradclipError } from '../errors.ts';

/** Code `ERR_GROUP`. */
export function groupError(message: string, details: Record<string, unknown> = {}): GradclipError {
  return new GradclipError('ERR_GROUP', message, details);
}
