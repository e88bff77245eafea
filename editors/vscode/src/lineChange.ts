/** Which lines of a text an edit changes: what people are shown of an edit that is not of a few words. */

import { wordChanges } from "./wordChanges.ts";

/** `lines` take the place of `removed` lines from `first` on, numbers from 0. */
export interface LineChange {
  readonly first: number;
  readonly removed: number;
  readonly lines: readonly string[];
}

/** What becomes of some lines that begin at `first`, without those at both ends that stay. */
export function lineChange(first: number, before: readonly string[], after: readonly string[]): LineChange {
  const shorter = Math.min(before.length, after.length);
  let [above, below] = [0, 0];
  // The end first: a blank line that comes with others is above them, not below.
  while (below < shorter && before.at(-1 - below) === after.at(-1 - below)) {
    below++;
  }
  while (above < shorter - below && before[above] === after[above]) {
    above++;
  }
  const removed = before.length - above - below;
  return { first: first + above, removed, lines: after.slice(above, after.length - below) };
}

/** In one line, more changes than these are harder to read than the line as it will be. */
const MAX_CHANGES = 2;

/** Whether people read a change best as whole lines: some come, or one is another one altogether. */
export function isOfLines(before: readonly string[], after: readonly string[]): boolean {
  if (after.length === 0 || before.length !== after.length) {
    return after.length > 0;
  }
  return before.some((line, at) => wordChanges(line, after[at] ?? "").length > MAX_CHANGES);
}
