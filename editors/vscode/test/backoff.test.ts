import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff, LIMIT, WINDOW_MS } from "../src/backoff.ts";

test("every start waits longer than the one before, until none is tried any more", () => {
  const backoff = new Backoff();
  const delays = Array.from({ length: LIMIT }, (_, at) => backoff.next(at));
  assert.deepEqual(delays, [250, 1000, 4000, 16000, undefined]);
});

test("what is long ago does not count", () => {
  const backoff = new Backoff();
  for (let at = 0; at < 20; at++) {
    assert.equal(backoff.next(at * WINDOW_MS), 250);
  }
});

test("a start that was asked for begins anew", () => {
  const backoff = new Backoff();
  backoff.next(0);
  backoff.next(1);
  backoff.reset();
  assert.equal(backoff.next(2), 250);
});

test("a server that takes a minute to go down is not started for ever", () => {
  const backoff = new Backoff();
  const delays = Array.from({ length: LIMIT }, (_, at) => backoff.next(at * 60_000));
  assert.equal(delays.at(-1), undefined);
});
