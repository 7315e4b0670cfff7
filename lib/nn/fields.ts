// fields.ts: arguments and options that many layers have.
import { type Field, whole } from '../options/index.ts';

/** A number of features, channels, units or rows. */
export const size: Field<number> = whole({ min: 1 });
