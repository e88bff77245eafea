/** Whether ghost text stands at the cursor, as far as an extension can tell: VS Code does not say. */

export class GhostText {
  private pending = 0;
  private shown = false;

  /** The editor waits for suggestions. */
  get isAwaited(): boolean {
    return this.pending > 0;
  }

  /** It was given some and nothing has happened since. Those that were dismissed by key count as shown. */
  get isShown(): boolean {
    return this.shown;
  }

  asked(): void {
    this.pending++;
  }

  answered(): void {
    this.pending--;
  }

  /** So many suggestions were given to the editor. */
  offered(count: number): void {
    this.shown = count > 0;
  }

  /** The text or the cursor is another: the editor has taken down what it showed, or asks anew. */
  moved(): void {
    this.shown = false;
  }
}
