import assert from "node:assert/strict";
import { test } from "node:test";
import { Offers } from "../src/offers.ts";

/** The partial acceptance that is told where `inserted` goes in at the `|` and `offer`, of which a part may stand left
 * of it, was shown; its length, or undefined. */
function check(marked: string, offer: string, inserted: string, start = marked.indexOf("|")): number | undefined {
  const offers = new Offers();
  const at = marked.indexOf("|");
  offers.replace("a.py", [{ id: 7, start, text: offer }]);
  const content = marked.replace("|", inserted);
  const taken = offers.inserted("a.py", at, inserted, () => content);
  assert.ok(taken === undefined || taken.id === 7);
  return taken?.length;
}

test("a word that was taken is told, with all that was taken before", () => {
  assert.equal(check("total = |", "sum(prices)", "sum"), 3);
  assert.equal(check("total = sum|", "sum(prices)", "(prices", "total = ".length), 10);
});

test("an offer that repeats the line before the cursor counts from there", () => {
  assert.equal(check("x = 1\ntotal = |", "total = sum(prices)", "sum", "x = 1\n".length), 11);
});

test("a line of several is told, whatever the document's line ends", () => {
  assert.equal(check("def f():|", "\n    a()\n    b()", "\n    a()"), 8);
  assert.equal(check("def f():|", "\n    a()\n    b()", "\r\n    a()"), 8);
});

test("all lines are no part, whatever the line ends of document, offer and edit", () => {
  for (const [document, offer, inserted] of [
    ["\r\n", "\n", "\r\n"],
    ["\r\n", "\r\n", "\r\n"],
    ["\r\n", "\r\n", "\n"],
    ["\n", "\r\n", "\n"],
  ] as const) {
    const text = (lineEnd: string) => ["", "    a()", "    b()"].join(lineEnd);
    const offers = new Offers();
    offers.replace("a.py", [{ id: 7, start: 8, text: text(offer) }]);
    const whole = `def f():${text(document)}${document}`;
    assert.equal(offers.inserted("a.py", 8, text(inserted), () => whole), undefined);
    const first = `${inserted}    a()`;
    const told = offers.inserted("a.py", 8, first, () => `def f():${document}    a()${document}`);
    assert.deepEqual(told, { id: 7, length: offer.length + 7 }, "counted as the offer's text has them");
  }
});

test("typing along is no acceptance, nor is a bracket that closes itself, nor an emoji", () => {
  assert.equal(check("total = |", "sum(prices)", "s"), undefined);
  assert.equal(check("total = |", "()", "()"), undefined);
  assert.equal(check("f|", "() + 1", "()"), undefined);
  assert.equal(check("cake = '|", "🎂' + str(total)", "🎂"), undefined);
});

test("all of it is no part: the offer's own command tells that", () => {
  assert.equal(check("total = |", "sum(prices)", "sum(prices)"), undefined);
});

test("other texts, and other documents, are none", () => {
  assert.equal(check("total = |", "sum(prices)", "max"), undefined);
  const offers = new Offers();
  offers.replace("a.py", [{ id: 1, start: 0, text: "import os" }]);
  assert.equal(offers.inserted("b.py", 0, "import", () => "import"), undefined);
});

test("any of several offers can be taken", () => {
  const offers = new Offers();
  offers.replace("a.py", [
    { id: 1, start: 4, text: "sum(prices)" },
    { id: 2, start: 4, text: "max(prices)" },
  ]);
  assert.deepEqual(offers.inserted("a.py", 4, "max", () => "x = max"), { id: 2, length: 3 });
});
