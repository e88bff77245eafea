import assert from "node:assert/strict";
import { test } from "node:test";
import { blockOf, expandTabs, style } from "../src/newLines.ts";

const TEXT = ["def f(a):", "    return a", "", "def g(b):", "    return b", ""];
const LONG = "x".repeat(70);

function around(cursor: number, text = TEXT, lastVisible = text.length - 1) {
  return { tabSize: 4, cursor, firstVisible: 0, lastVisible, line: (row: number) => text[row] ?? "" };
}

test("a block is beside the longest of the lines next to it, and keeps its own indentation", () => {
  const lines = ["    if a:", "        return a", "    return b"];
  const expected = { row: 1, column: 15, lines: ["if a:", "    return a", "return b"] };
  assert.deepEqual(blockOf({ first: 1, removed: 1, lines }, around(5)), expected);
});

test("beside the cursor's line it leaves what Tab does in view", () => {
  assert.equal(blockOf({ first: 1, removed: 1, lines: ["x", "y"] }, around(1))?.column, 24);
});

test("it is moved up where the text, or what is seen of it, ends", () => {
  assert.equal(blockOf({ first: 5, removed: 0, lines: ["", "x", "y"] }, around(0))?.row, 3);
  assert.equal(blockOf({ first: 6, removed: 0, lines: ["x"] }, around(0))?.row, 5);
  assert.equal(blockOf({ first: 3, removed: 1, lines: ["x", "y"] }, around(0, TEXT, 3))?.row, 2);
  assert.equal(blockOf({ first: 0, removed: 1, lines: Array<string>(9).fill("x") }, around(0))?.row, 0);
});

test("long lines are below those that go, else above them, but never over the cursor", () => {
  const change = { first: 2, removed: 1, lines: [`    ${LONG}`, `    ${LONG}`] };
  assert.deepEqual(blockOf(change, around(0)), { row: 3, column: 4, lines: [LONG, LONG] });
  assert.equal(blockOf(change, around(4))?.row, 0);
  assert.equal(blockOf(change, around(0, TEXT, 3))?.column, 12);
  assert.equal(blockOf({ ...change, first: 1 }, around(2))?.column, 15);
});

test("out of view there is none", () => {
  const change = { first: 4, removed: 1, lines: ["x", "y"] };
  assert.equal(blockOf(change, around(0, TEXT, 2)), undefined);
  assert.equal(blockOf(change, { ...around(5), firstVisible: 5 }), undefined);
});

test("tabs and wide letters take the columns that they take on the screen", () => {
  assert.equal(expandTabs("\ta\tb", 4), "    a   b");
  assert.equal(expandTabs("値\tb", 4), "値  b");
  assert.equal(blockOf({ first: 0, removed: 1, lines: ["\tx", "\t\ty"] }, around(5, ["\t値", ""]))?.column, 9);
  assert.deepEqual(blockOf({ first: 0, removed: 0, lines: ["\tx", "\t\ty"] }, around(5))?.lines, ["x", "    y"]);
});

test("no line ends the style's string", () => {
  const css = style({ row: 0, column: 3, lines: ['print("\\n")', "</style>", "{0}; }"] });
  assert.ok(css.includes('content: "print(\\22 \\5c n\\22 )\\a \\3c /style>\\a {0}; }"'), css);
});
