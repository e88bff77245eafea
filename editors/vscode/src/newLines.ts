/** Where the lines that an edit brings are drawn, and how: a block that hides no text if there is room beside it.
 *
 * Extensions cannot put lines between those of the text. What stands before a character can be given any style,
 * though, by what is said behind a `text-decoration`.
 */

import type { LineChange } from "./lineChange.ts";

/** A block of lines. Rows are lines of the document, columns of the screen; both from 0. */
export interface Block {
  readonly row: number;
  readonly column: number;
  /** Without the indentation that all of them have, tabs expanded. */
  readonly lines: readonly string[];
}

/** What the text around a change looks like. Rows are lines of the document. */
export interface Surroundings {
  readonly tabSize: number;
  readonly cursor: number;
  readonly firstVisible: number;
  readonly lastVisible: number;
  line(row: number): string;
}

const GAP = 3; // columns between the text and a block beside it
const HINT = 9; // columns that are left for what Tab does, behind the cursor's line
const MAX_WIDTH = 80; // columns of the text and a block beside it: extensions are not told how many are in view
const MAX_LENGTH = 120; // columns of a line that are drawn

/** Beside the lines that go; where that is far right, over those below or above, if the cursor's line stays in view.
 * Undefined where the change is out of view.
 */
export function blockOf(change: LineChange, around: Surroundings): Block | undefined {
  if (change.first < around.firstVisible || change.first > around.lastVisible + 1) {
    return undefined;
  }
  const expanded = change.lines.map((line) => expandTabs(line.trimEnd(), around.tabSize));
  const indents = expanded.filter((line) => line !== "").map((line) => line.search(/\S/u));
  const column = indents.length > 0 ? Math.min(...indents) : 0;
  const lines = expanded.map((line) => shortened(line.slice(column)));
  const next = beside(change.first, lines, around);
  if (next.column + Math.max(...lines.map(width)) <= MAX_WIDTH) {
    return next;
  }
  const rows = [change.first + change.removed, change.first - lines.length];
  const row = rows.find((first) => isFree(first, first + lines.length, around));
  return row === undefined ? next : { row, column, lines };
}

/** One that reaches below what is seen is moved up: below the end of a document there may be no room. */
function beside(first: number, lines: readonly string[], around: Surroundings): Block {
  const row = Math.max(around.firstVisible, Math.min(first, around.lastVisible + 1 - lines.length));
  return { row, column: Math.max(...lines.map((_, at) => occupied(row + at, around))) + GAP, lines };
}

/** Whether rows are in view, and none of them is the cursor's. */
function isFree(first: number, end: number, { cursor, firstVisible, lastVisible }: Surroundings): boolean {
  return firstVisible <= first && end <= lastVisible + 1 && (cursor < first || end <= cursor);
}

const PADDING = 0.5; // columns

/** The style of what stands before the first character of a block's row, which makes the block of it. */
export function style({ column, lines }: Block): string {
  const green = "var(--vscode-diffEditor-insertedTextBackground)";
  return [
    "none",
    `content: "${lines.map(escaped).join("\\a ")}"`,
    "position: absolute",
    "top: 0",
    `left: ${column - PADDING}ch`,
    `padding: 0 ${PADDING}ch`,
    "z-index: 1",
    "white-space: pre",
    "pointer-events: none",
    `background: linear-gradient(${green}, ${green}), var(--vscode-editor-background)`,
    "outline: 1px solid var(--vscode-editorGutter-addedBackground)",
  ].join("; ");
}

/** A text with spaces for its tabs. */
export function expandTabs(text: string, tabSize: number): string {
  return text.split("\t").reduce((line, part) => {
    return line + " ".repeat(tabSize - (width(line) % tabSize)) + part;
  });
}

/** Letters that take two columns: most of Chinese, Japanese and Korean, and emoji. */
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/gu;

function width(text: string): number {
  return Array.from(text).length + (text.match(WIDE)?.length ?? 0);
}

/** The columns that a row's text takes, and what may be said behind it. */
function occupied(row: number, around: Surroundings): number {
  return width(expandTabs(around.line(row), around.tabSize)) + (row === around.cursor ? HINT : 0);
}

function shortened(line: string): string {
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH)}…` : line;
}

/** As a CSS string has it: nothing of a line ends the string, or is a sign of CSS in it. */
function escaped(line: string): string {
  return line.replaceAll(/["\\\p{Cc}\u2028\u2029<]/gu, (sign) => `\\${sign.codePointAt(0)?.toString(16) ?? ""} `);
}
