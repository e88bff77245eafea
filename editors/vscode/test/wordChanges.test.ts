import assert from "node:assert/strict";
import { test } from "node:test";
import { wordChanges } from "../src/wordChanges.ts";

/** The old text with what goes in [brackets] and what comes in {braces}. */
function shown(before: string, after: string): string {
  let [text, end] = ["", 0];
  for (const change of wordChanges(before, after)) {
    text += before.slice(end, change.start);
    text += change.end > change.start ? `[${before.slice(change.start, change.end)}]` : "";
    text += change.text === "" ? "" : `{${change.text}}`;
    end = change.end;
  }
  return text + before.slice(end);
}

test("only the words that differ are changed", () => {
  assert.equal(shown("json.load(handle)", "json.load(file)"), "json.load([handle]{file})");
  assert.equal(shown("result +=", "sum_of_prices +="), "[result]{sum_of_prices} +=");
  assert.equal(shown("f(a, b, a)", "f(x, b, x)"), "f([a]{x}, b, [a]{x})");
});

test("what is only inserted, or only goes, stands alone", () => {
  assert.equal(shown("log(a)", "await log(a)"), "{await }log(a)");
  assert.equal(shown("log(a, b)", "log(a)"), "log(a[, b])");
  assert.equal(shown("", "new"), "{new}");
  assert.equal(shown("old", ""), "[old]");
  assert.equal(shown("same", "same"), "same");
});

test("neighbours with white space between them are one change", () => {
  assert.equal(shown("if a:", "while b:"), "[if a]{while b}:");
});

test("over several lines, with any line ends and any letters", () => {
  assert.equal(shown("f(\r\n  größe\r\n)", "f(\r\n  breite\r\n)"), "f(\r\n  [größe]{breite}\r\n)");
  assert.equal(shown("a\nb\n", "a\nc\nb\n"), "a\n{c\n}b\n");
  assert.equal(shown("'🎂'", "'🎉'"), "'[🎂]{🎉}'");
});

test("applied, the changes make the new text", () => {
  const alphabet = ["a", "bb", " ", "\n", "(", ")", "é", "🎂"];
  let seed = 1;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  const text = () => Array.from({ length: random(14) }, () => alphabet[random(alphabet.length)]).join("");
  for (let turn = 0; turn < 2000; turn++) {
    const [before, after] = [text(), text()];
    let made = before;
    for (const change of wordChanges(before, after).reverse()) {
      made = made.slice(0, change.start) + change.text + made.slice(change.end);
    }
    assert.equal(made, after);
  }
});

test("long texts are taken as one change", () => {
  const [before, after] = ["a ".repeat(600), "b ".repeat(600)];
  assert.deepEqual(wordChanges(before, after), [{ start: 0, end: before.length, text: after }]);
});
