/** Which words of a text an edit changes: what people are shown of it. */

/** `text` takes the place of what stands from `start` to `end`, offsets into the old text. */
export interface WordChange {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** From left to right; what stands between two of them stays. Only white space between two makes one of them. */
export function wordChanges(before: string, after: string): WordChange[] {
  return differences(words(before), words(after)).reduce<WordChange[]>((changes, next) => {
    const last = changes.at(-1);
    const between = last && before.slice(last.end, next.start);
    if (last === undefined || between === undefined || between.trim() !== "") {
      return [...changes, next];
    }
    return [...changes.slice(0, -1), { start: last.start, end: next.end, text: last.text + between + next.text }];
  }, []);
}

/** Words whose table of common words would be larger are taken as changed altogether. */
const MAX_CELLS = 250_000;

function words(text: string): string[] {
  return text.match(/[\p{L}\p{N}_]+|\r?\n|[^\S\r\n]+|./gsu) ?? [];
}

function differences(before: string[], after: string[]): WordChange[] {
  const common = commonWords(before, after);
  const changes: WordChange[] = [];
  let [offset, i, j] = [0, 0, 0];
  for (const [nextI, nextJ] of [...common, [before.length, after.length] as const]) {
    const [old, text] = [before.slice(i, nextI).join(""), after.slice(j, nextJ).join("")];
    if (old !== "" || text !== "") {
      changes.push({ start: offset, end: offset + old.length, text });
    }
    offset += old.length + (before[nextI]?.length ?? 0);
    [i, j] = [nextI + 1, nextJ + 1];
  }
  return changes;
}

/** The longest common subsequence, as pairs of places. */
function commonWords(before: string[], after: string[]): [number, number][] {
  const width = after.length + 1;
  if ((before.length + 1) * width > MAX_CELLS) {
    return [];
  }
  const lengths = new Uint32Array((before.length + 1) * width); // of what is common from (i, j) on
  const length = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      const same = before[i] === after[j];
      lengths[i * width + j] = same ? length(i + 1, j + 1) + 1 : Math.max(length(i + 1, j), length(i, j + 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < before.length && j < after.length; ) {
    if (before[i] === after[j]) {
      pairs.push([i++, j++]);
    } else if (length(i + 1, j) >= length(i, j + 1)) {
      i++;
    } else {
      j++;
    }
  }
  return pairs;
}
