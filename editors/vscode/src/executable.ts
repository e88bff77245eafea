/** Where the program `lacuna` is found. */

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { homedir } from "node:os";
import * as path from "node:path";

/** The places to look in, in the order in which they are tried. */
export interface Places {
  /** The setting `lacuna.path`; where it is not empty, nothing else is tried. */
  readonly setting: string;
  /** The Python interpreter of the active environment. */
  readonly interpreter: string | undefined;
  /** The workspace's folders, whose virtual environments are tried. */
  readonly folders: readonly string[];
  /** The environment variable PATH. */
  readonly searchPath: string;
}

/** What is wrong with the setting, for people; undefined where it may be used. A relative path would mean a file of
 * whatever folder the editor is in. */
export function settingFault({ setting, folders }: Places): string | undefined {
  if (setting === "" || path.isAbsolute(expand(setting, folders[0]))) {
    return undefined;
  }
  const folder = setting.includes("${workspaceFolder}") ? ", and there is no trusted workspace" : "";
  return `the setting lacuna.path has to be a full path, or begin with ~${folder}: it is "${setting}"`;
}

/** The program's full path, or undefined where it is nowhere. */
export async function findExecutable(places: Places): Promise<string | undefined> {
  for (const candidate of candidates(places)) {
    if (await isExecutable(candidate)) {
      return candidate;
    }
  }
  return undefined;
}

function candidates(places: Places): string[] {
  if (places.setting !== "") {
    return settingFault(places) === undefined ? [expand(places.setting, places.folders[0])] : [];
  }
  const directories = [
    ...(places.interpreter === undefined ? [] : [path.dirname(places.interpreter)]),
    ...places.folders.flatMap((folder) => [".venv", "venv"].map((name) => path.join(folder, name, SCRIPTS))),
    ...places.searchPath.split(path.delimiter).filter((directory) => path.isAbsolute(directory)),
  ];
  return directories.map((directory) => path.join(directory, PROGRAM));
}

const WINDOWS = process.platform === "win32";
const PROGRAM = WINDOWS ? "lacuna.exe" : "lacuna";
const SCRIPTS = WINDOWS ? "Scripts" : "bin";

function expand(setting: string, folder: string | undefined): string {
  const inHome = setting.replace(/^~(?=[/\\]|$)/, homedir());
  return path.normalize(folder === undefined ? inHome : inHome.replaceAll("${workspaceFolder}", folder));
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
