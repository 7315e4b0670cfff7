// held.ts: engines that stay from one cell to the next, where cells begin alike: what takes long to make is then made once.
import { Engine, type Launch, type Task } from './engine.ts';

export class Held {
  readonly #held = new Map<string, { readonly alike: string; readonly engine: Engine }>();

  /**
   * The peer's engine with that cell: the one that is there, or a new one where the last cell was of another kind.
   * @param alike what the cells have in common for which an engine may stay
   */
  async open(launch: Launch, task: Task, alike: string): Promise<Engine | string> {
    const held = this.#held.get(launch.peer);
    if (held?.alike === alike) await held.engine.load(task.cell);
    else held?.engine.close();
    const engine = held?.alike === alike ? held.engine : await Engine.start(launch, task);
    if (typeof engine === 'string' || engine.gone) this.#held.delete(launch.peer);
    else this.#held.set(launch.peer, { alike, engine });
    return typeof engine === 'string' ? engine : (engine.fault ?? engine);
  }

  close(): void {
    for (const { engine } of this.#held.values()) engine.close();
    this.#held.clear();
  }
}
