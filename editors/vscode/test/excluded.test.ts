import assert from "node:assert/strict";
import { test } from "node:test";
import { allExcluded } from "../src/excluded.ts";

test("a workspace's patterns are added to the user's", () => {
  const user = ["*.pem", "!mine.pem"];
  assert.deepEqual(allExcluded({}), []);
  assert.deepEqual(allExcluded({ globalValue: user }), user);
  assert.deepEqual(allExcluded({ workspaceValue: ["a"], workspaceFolderValue: ["b"] }), ["a", "b"]);
  assert.deepEqual(allExcluded({ globalValue: user, workspaceValue: [] }), user);
  assert.deepEqual(allExcluded({ globalValue: user, workspaceValue: ["mine.pem"] }), [...user, "mine.pem"]);
});

test("a workspace lets nothing in that the user, or Lacuna, hides", () => {
  for (const pattern of ["!**", "!.env", " !**", "\t!.env"]) {
    assert.deepEqual(allExcluded({ globalValue: ["a"], workspaceValue: [pattern, "b"] }), ["a", "b"]);
    assert.deepEqual(allExcluded({ globalValue: ["a"], workspaceFolderValue: ["b", pattern] }), ["a", "b"]);
  }
});

test("what is no list of texts is none", () => {
  assert.deepEqual(allExcluded({ globalValue: ["a", 5, null], workspaceValue: "!**" }), ["a"]);
});
