/** How soon a server that went down is started again, and when that has happened too often. */

export const LIMIT = 5;
/** A large model takes minutes to load: one that crashes at the end of its load must not be started for ever. */
export const WINDOW_MS = 30 * 60_000;
const FIRST_DELAY_MS = 250;

export class Backoff {
  private crashes: number[] = [];

  /** The delay before the next start, in milliseconds; undefined when it went down `LIMIT` times within the window. */
  next(now: number): number | undefined {
    this.crashes = [...this.crashes.filter((at) => now - at < WINDOW_MS), now];
    return this.crashes.length < LIMIT ? FIRST_DELAY_MS * 4 ** (this.crashes.length - 1) : undefined;
  }

  /** Somebody asked for a new start: what was before does not count. */
  reset(): void {
    this.crashes = [];
  }
}
