import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import { findExecutable, type Places, settingFault } from "../src/executable.ts";

const NOWHERE: Places = { setting: "", interpreter: undefined, folders: [], searchPath: "" };

describe("the program is found", { skip: process.platform === "win32" }, () => {
  let root: string;
  const at = (...parts: string[]) => path.join(root, ...parts);

  async function program(mode: number, ...parts: string[]): Promise<string> {
    const file = at(...parts);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, "#!/bin/sh\n");
    await chmod(file, mode);
    return file;
  }

  before(async () => (root = await mkdtemp(path.join(tmpdir(), "lacuna-"))));
  after(async () => rm(root, { recursive: true }));

  test("nowhere, if it is nowhere", async () => {
    assert.equal(await findExecutable({ ...NOWHERE, folders: [at("empty")], searchPath: at("none") }), undefined);
  });

  test("by setting, environment, workspace, PATH: in this order", async () => {
    const onPath = await program(0o755, "usr", "lacuna");
    const places = { ...NOWHERE, searchPath: [at("none"), at("usr")].join(path.delimiter) };
    assert.equal(await findExecutable(places), onPath);
    const inFolder = await program(0o755, "shop", "venv", "bin", "lacuna");
    const withFolder = { ...places, folders: [at("other"), at("shop")] };
    assert.equal(await findExecutable(withFolder), inFolder);
    const inDotVenv = await program(0o755, "shop", ".venv", "bin", "lacuna");
    assert.equal(await findExecutable(withFolder), inDotVenv);
    const active = await program(0o755, "active", "bin", "lacuna");
    const withActive = { ...withFolder, interpreter: at("active", "bin", "python") };
    assert.equal(await findExecutable(withActive), active);
    const set = await program(0o755, "mine", "lacuna");
    assert.equal(await findExecutable({ ...withActive, setting: set }), set);
  });

  test("a setting that points nowhere is not silently passed over", async () => {
    await program(0o755, "usr", "lacuna");
    assert.equal(await findExecutable({ ...NOWHERE, setting: at("gone"), searchPath: at("usr") }), undefined);
  });

  test("with the home directory and the workspace's folder in the setting", async () => {
    const tool = await program(0o755, "shop", "tools", "lacuna");
    const setting = "${workspaceFolder}/tools/lacuna";
    assert.equal(await findExecutable({ ...NOWHERE, setting, folders: [at("shop")] }), tool);
    const fromHome = `~/${path.relative(homedir(), tool)}`;
    assert.equal(await findExecutable({ ...NOWHERE, setting: fromHome }), path.join(homedir(), fromHome.slice(2)));
  });

  test("never by a relative setting, which is refused", async () => {
    await program(0o755, "shop", ".venv", "bin", "lacuna");
    const here = path.relative(process.cwd(), at("shop", ".venv", "bin", "lacuna"));
    for (const setting of [here, "lacuna", "./lacuna", "../lacuna", ".venv/bin/lacuna", "${workspaceFolder}/lacuna", "~me/x"]) {
      const places = { ...NOWHERE, setting, searchPath: at("shop", ".venv", "bin") };
      assert.match(settingFault(places) ?? "", /full path/);
      assert.equal(await findExecutable(places), undefined);
    }
    for (const setting of ["", at("shop"), "~/bin/lacuna"]) {
      assert.equal(settingFault({ ...NOWHERE, setting }), undefined);
    }
    assert.equal(settingFault({ ...NOWHERE, setting: "${workspaceFolder}/x", folders: [at("shop")] }), undefined);
  });

  test("only where it may be run", async () => {
    await program(0o644, "plain", "lacuna");
    assert.equal(await findExecutable({ ...NOWHERE, searchPath: at("plain") }), undefined);
  });

  test("not in directories relative to wherever the editor was started", async () => {
    assert.equal(await findExecutable({ ...NOWHERE, searchPath: path.relative(process.cwd(), at("usr")) }), undefined);
  });
});
