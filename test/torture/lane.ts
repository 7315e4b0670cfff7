// lane.ts: checks one program after the other in processes of its own, for each instruction set and with memory poisoned or not; they are
// started anew when they die or hang.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answer, Ready, Request } from './child.ts';
import { differences, firstDifference } from './compare.ts';
import type { ProgramSpec, Variant } from './spec.ts';
import { PLAIN, plainOf } from './variants.ts';

// Far beyond what a program takes on a machine that others use too: a team that waits for itself takes for ever.
const HANGS_MS = 300_000;

/** The environment of a process that runs programs in this way. */
const environment = ({ isa, poison }: Place): NodeJS.ProcessEnv => ({
  ...process.env,
  GRADCLIP_SMALL_TEAMS: '1',
  ...(isa && { GRADCLIP_ISA: isa }),
  GRADCLIP_POISON: poison ? '1' : '0',
});
/** Where a program runs. `engine`: an executable of Node, null for the one that runs this. */
type Place = Pick<Variant, 'isa' | 'poison'> & { readonly engine: string | null };
const keyOf = ({ isa, poison, engine }: Place): string => `${engine ?? ''} ${isa ?? ''}${poison ? ' poisoned' : ''}`;

/** What is wrong with a program. */
export interface Failure {
  /** The way that differs; the plain one, where that fails by itself. */
  readonly variant: Variant;
  /** One word for what happened, which a smaller network must show too. */
  readonly kind: 'differs' | 'throws' | 'dies';
  readonly message: string;
}

export class Lane {
  readonly #children = new Map<string, Promise<ChildProcess>>();
  readonly #beside: string | null;
  /** What the ways can run on, the best first: known once a process has said so. */
  isas: readonly string[] = [];

  /**
   * @param beside an executable of Node, perhaps of another processor. All ways are run by it, the plain run they are compared with by the engine
   *   that runs this.
   */
  constructor(beside: string | null = null) {
    this.#beside = beside;
  }

  async start(): Promise<this> {
    await this.#child({ ...PLAIN, engine: this.#beside });
    return this;
  }

  /** Runs the program plainly and in each of these ways. Null: all the same. */
  async check(spec: ProgramSpec, variants: readonly Variant[]): Promise<Failure | null> {
    const plain = new Map<string, Answer>();
    for (const variant of variants) {
      const alike = plainOf(spec, variant);
      const key = `${alike.isa} ${alike.checkpointed}`;
      try {
        let reference = plain.get(key);
        if (!reference) {
          reference = await this.#run({ spec, variant: alike, values: [] }, null);
          plain.set(key, reference);
        }
        if (reference.thrown) return { variant: alike, kind: 'throws', message: reference.thrown };
        const other = await this.#run({ spec, variant, values: [] }, this.#beside);
        if (other.thrown) return { variant, kind: 'throws', message: other.thrown };
        const names = differences(reference.digest, other.digest);
        if (names.length > 0) return { variant, kind: 'differs', message: await this.#told(spec, variant, names) };
      } catch (error) {
        return { variant, kind: 'dies', message: (error as Error).message };
      }
    }
    return null;
  }

  close(): void {
    for (const key of this.#children.keys()) this.#end(key);
  }

  /** The first values that differ; both ways are run once more for them. */
  async #told(spec: ProgramSpec, variant: Variant, names: readonly string[]): Promise<string> {
    const values = names.slice(0, 4);
    const a = await this.#run({ spec, variant: plainOf(spec, variant), values }, null);
    const b = await this.#run({ spec, variant, values }, this.#beside);
    const lines = values.map((name) => `${name}: ${firstDifference(a.values.get(name), b.values.get(name))}`);
    return [...lines, ...(names.length > values.length ? [`and ${names.length - values.length} more`] : [])].join('\n');
  }

  async #run(request: Request, engine: string | null): Promise<Answer> {
    const place = { ...request.variant, engine };
    const child = await this.#child(place);
    return new Promise((resolve, reject) => {
      const failed = (why: string): void => {
        this.#end(keyOf(place));
        reject(new Error(why));
      };
      const timer = setTimeout(() => failed(`no answer within ${HANGS_MS / 1000} s`), HANGS_MS);
      const settle = (): void => {
        clearTimeout(timer);
        child.removeAllListeners();
      };
      child.once('message', (answer) => {
        settle();
        resolve(answer as Answer);
      });
      child.once('exit', (code, signal) => {
        settle();
        failed(`the process ended with ${signal ?? code}`);
      });
      child.send(request);
    });
  }

  #child(place: Place): Promise<ChildProcess> {
    const key = keyOf(place);
    let child = this.#children.get(key);
    if (!child) {
      child = new Promise((resolve, reject) => {
        const file = fileURLToPath(new URL('child.js', import.meta.url));
        const execPath = place.engine ?? process.execPath;
        const made = fork(file, { execPath, env: environment(place), serialization: 'advanced' });
        made.once('message', (ready) => {
          if (place.isa === null && place.engine === this.#beside) this.isas = (ready as Ready).isas;
          made.removeAllListeners();
          resolve(made);
        });
        made.once('exit', (code) => reject(new Error(`a process did not start: ${code}`)));
      });
      this.#children.set(key, child);
    }
    return child;
  }

  #end(key: string): void {
    const child = this.#children.get(key);
    this.#children.delete(key);
    child?.then(
      (c) => c.kill('SIGKILL'),
      () => {},
    );
  }
}
