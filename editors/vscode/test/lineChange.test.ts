import assert from "node:assert/strict";
import { test } from "node:test";
import { isOfLines, lineChange } from "../src/lineChange.ts";

const lines = (text: string) => text.split("\n");
const change = (before: string, after: string) => lineChange(5, lines(before), lines(after));

test("lines that stay are no part of it", () => {
  assert.deepEqual(change("a\nb\nc", "a\nx\ny\nc"), { first: 6, removed: 1, lines: ["x", "y"] });
  assert.deepEqual(change("a\nb\nc", "x"), { first: 5, removed: 3, lines: ["x"] });
  assert.deepEqual(change("a\nb", "b"), { first: 5, removed: 1, lines: [] });
});

test("lines that only come stand before the next one, or behind the last", () => {
  assert.deepEqual(change("b", "x\ny\nb"), { first: 5, removed: 0, lines: ["x", "y"] });
  assert.deepEqual(change("", "\nx\n"), { first: 5, removed: 0, lines: ["", "x"] });
  assert.deepEqual(change("a", "a\nx"), { first: 6, removed: 0, lines: ["x"] });
});

test("what comes as lines, or makes another line altogether, is of lines", () => {
  assert.ok(isOfLines([], ["x"]));
  assert.ok(isOfLines(["a"], ["a", "b"]));
  assert.ok(isOfLines(["a", "b"], ["a b"]));
  assert.ok(isOfLines(["self.handlers.append((name, handler))"], ["self.handlers[name] = handler"]));
});

test("a few words, and lines that only go, are not", () => {
  assert.ok(!isOfLines(["a"], []));
  assert.ok(!isOfLines(["json.load(handle)"], ["json.load(file)"]));
  assert.ok(!isOfLines(["parseInt(width)", "parseInt(height)"], ["Number(width, 10)", "Number(height, 10)"]));
});
