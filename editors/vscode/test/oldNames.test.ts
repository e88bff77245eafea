import assert from "node:assert/strict";
import { test } from "node:test";
import { nameInUse, OLD_NAMES } from "../src/oldNames.ts";

test("an old name counts where the new one is not set", () => {
  for (const [name, old] of Object.entries(OLD_NAMES)) {
    for (const set of [{ globalValue: 2 }, { workspaceValue: 0 }, { workspaceFolderValue: 2 }]) {
      assert.equal(nameInUse(name, (key) => (key === old ? set : {})), old);
      assert.equal(nameInUse(name, () => set), name);
    }
    assert.equal(nameInUse(name, () => ({})), name);
    assert.equal(nameInUse(name, () => undefined), name);
  }
  assert.equal(nameInUse("model", () => ({ globalValue: "m" })), "model");
});
