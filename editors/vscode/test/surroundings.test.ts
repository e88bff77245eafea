import assert from "node:assert/strict";
import * as path from "node:path";
import { test } from "node:test";
import { changedEnvironment, environment, FOLDER } from "../src/surroundings.ts";

const ROOT = path.resolve("/opt/modules");
const LISTS: [string | undefined, string][] = [
  [undefined, ""],
  ["", ""],
  [path.delimiter, ""],
  [".", ""],
  [[ROOT, ""].join(path.delimiter), ROOT],
  [["lib", ROOT, "..", "./x"].join(path.delimiter), ROOT],
];

test("Python looks for modules nowhere in the workspace", () => {
  for (const [list, kept] of LISTS) {
    const own = { HOME: "/home/me", PYTHONPATH: list };
    assert.deepEqual(changedEnvironment(own), { PYTHONPATH: kept });
    assert.deepEqual(environment(own), { HOME: "/home/me", PYTHONPATH: kept });
  }
});

test("it is started in a folder that is no workspace's", () => {
  assert.ok(path.isAbsolute(FOLDER));
});
