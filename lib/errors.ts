// errors.ts: every error this library throws on purpose. One base class; a stable `code`; the offending values as fields.
import { printAs } from './errors/inspect.ts';
import { callsOf } from './errors/places.ts';
import { messageOf } from './errors/visible.ts';

// What of `details` is printed with an error.
const BRIEF = { depth: 1, maxArrayLength: 8, maxStringLength: 200 };

/**
 * Base class of all errors thrown by gradclip. `code` is stable and machine-readable; `details` holds the values concerned. `stack` begins with
 * code and message, and names files and lines of the sources (`gradclip/lib/...`). A message may quote names and values of files: control characters
 * in it are escaped (`\x1b`), so that it can be shown on a terminal. `details` has the values as they are.
 *
 * A code without a class of its own:
 * - `ERR_GROUP`: Processes do not come together, or differ in what must be the same (`mpi.init`, option `group` of a trainer).
 * - `ERR_MEMORY`: There is not as much memory as asked for, or no thread to be had; `details.asked` says how many bytes.
 * - `ERR_PROCESS`: A process that takes a part of the work has failed (`gradclip lab --jobs`); `details.exit` is its exit code.
 * - `ERR_WORKER`: A thread that `tune` trains in has ended before its trial; `details.code` is the code that it ended with.
 */
export class GradclipError extends Error {
  /** What went wrong, for programs: `ERR_SHAPE`. A class of errors has one, which stays from version to version. */
  readonly code: string;
  /** The values concerned, by name, as they are: nothing in them is escaped or shortened. */
  declare readonly details: Readonly<Record<string, unknown>>;
  /** @param message a list: lines of it */
  constructor(code: string, message: string | readonly string[], details: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(messageOf(message), options);
    this.code = code;
    // Whatever is enumerable, Node prints at length where nobody catches the error.
    Object.defineProperty(this, 'details', { value: details });
    Object.defineProperty(this, 'name', { value: new.target.name, writable: true, configurable: true });
    const calls = callsOf(new.target);
    // Made when somebody reads it: most errors are caught, and the message may still get the name of a layer.
    const get = (): string => `${this.name} [${this.code}]: ${this.message}${calls()}`;
    const set = (value: unknown): void => {
      Object.defineProperty(this, 'stack', { value, writable: true, configurable: true });
    };
    Object.defineProperty(this, 'stack', { get, set, configurable: true });
  }

  /** Say in which layer of a model it happened: before the message, and as `details.layer`. The innermost layer says it. */
  inLayer(path: string): void {
    if (path === '' || this.details.layer !== undefined) return;
    (this.details as Record<string, unknown>).layer = path;
    this.message = `${messageOf(path)}: ${this.message}`;
  }
}

/** The stack, then what else there is, in brief. */
printAs(GradclipError, function (inspect) {
  const { code, ...more } = this;
  const facts = {
    ...(Object.keys(this.details).length > 0 && { details: this.details }),
    ...more,
    ...('cause' in this && { cause: this.cause }),
  };
  return Object.keys(facts).length > 0 ? `${this.stack} ${inspect(facts, BRIEF)}` : `${this.stack}`;
});

/** An option has a wrong value, or its name is unknown (then the nearest known name is given). Code `ERR_OPTION`. */
export class OptionError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>, options?: ErrorOptions) {
    super('ERR_OPTION', message, details, options);
  }
}

/** Shapes do not fit an operation. Code `ERR_SHAPE`. */
export class ShapeError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>) {
    super('ERR_SHAPE', message, details);
  }
}

/** A dtype does not fit an operation. Code `ERR_DTYPE`. */
export class DTypeError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>) {
    super('ERR_DTYPE', message, details);
  }
}

/** A graph is built or used in a way that has no meaning. Code `ERR_GRAPH`. */
export class GraphError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>, options?: ErrorOptions) {
    super('ERR_GRAPH', message, details, options);
  }
}

/** An index (label, id, row) lies outside its bound. Fields `op`, `position`, `value`, `bound`. Code `ERR_INDEX`. */
export class IndexError extends GradclipError {
  constructor(message: string, details: { op: string; position: number; value: number; bound: number }) {
    super('ERR_INDEX', message, details);
  }
}

/** The native verifier refused a program: a bug in the compiler, never in user code. Code `ERR_PROGRAM`. */
export class InvalidProgramError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>) {
    super('ERR_PROGRAM', message, details);
  }
}

/** The model is in use by another run. Code `ERR_BUSY`. */
export class BusyError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>) {
    super('ERR_BUSY', message, details);
  }
}

/** A caller's array is detached, or changed its memory. Code `ERR_DETACHED`. */
export class DetachedError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>) {
    super('ERR_DETACHED', message, details);
  }
}

/** Gradients are not finite and the policy says to stop. Fields `tensor`, `step`, `skips`. Code `ERR_NON_FINITE`. */
export class NonFiniteError extends GradclipError {
  constructor(message: string | readonly string[], details?: Record<string, unknown>) {
    super('ERR_NON_FINITE', message, details);
  }
}

/** A clip policy skipped too many steps in a row whose gradients were finite (spikes). Fields `step`, `attempt`, `skips`, `norm`, `threshold`. Code `ERR_SKIPS`. */
export class SkipError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>) {
    super('ERR_SKIPS', message, details);
  }
}

/** A guard of a trainer has stopped the run. Fields `guard`, `name` (parameter or module), `action`, `step`, `attempt`. Code `ERR_GUARD`. */
export class GuardError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>) {
    super('ERR_GUARD', message, details);
  }
}

/** A file or buffer is malformed. Fields `file`, and `offset` or `line`. Code `ERR_DATA`. */
export class DataError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>, options?: ErrorOptions) {
    super('ERR_DATA', message, details, options);
  }
}

/**
 * A checkpoint does not fit the model (fields `missing`, `extra`, `mismatched`), or could not take the place of the one before, which another program has
 * open on Windows (fields `file`, `beside`: the new one). Code `ERR_CHECKPOINT`.
 */
export class CheckpointError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>, options?: ErrorOptions) {
    super('ERR_CHECKPOINT', message, details, options);
  }
}

/** The native add-on is missing or cannot be loaded; the message says what helps. Fields `reason`, `system`, `libc`, `engine`, and `file` or `folder`. Code `ERR_ADDON`. */
export class AddonError extends GradclipError {
  constructor(message: string | readonly string[], details?: Record<string, unknown>, options?: ErrorOptions) {
    super('ERR_ADDON', message, details, options);
  }
}

/** The object was disposed. Code `ERR_DISPOSED`. */
export class DisposedError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>) {
    super('ERR_DISPOSED', message, details);
  }
}

/** A run was canceled through its `signal`; `cause` is the signal's reason. Code `ABORT_ERR`, as Node's own. */
export class AbortError extends GradclipError {
  constructor(message: string, details?: Record<string, unknown>, options?: ErrorOptions) {
    super('ABORT_ERR', message, details, options);
  }
}
