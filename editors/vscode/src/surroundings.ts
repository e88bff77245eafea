/** What the program `lacuna` is started with: nothing that a workspace could put in its way. */

import { homedir } from "node:os";
import * as path from "node:path";

/** In a workspace's folder, names would mean files of the workspace. */
export const FOLDER = homedir();

type Environment = Record<string, string>;

/** Without the entries of PYTHONPATH that are relative or empty: Python would look for modules in them first. */
export function environment(own: NodeJS.ProcessEnv): Environment {
  const entries = Object.entries(own).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...Object.fromEntries(entries), ...changedEnvironment(own) };
}

/** What of it differs from `own`. */
export function changedEnvironment(own: NodeJS.ProcessEnv): Environment {
  const folders = (own["PYTHONPATH"] ?? "").split(path.delimiter);
  return { PYTHONPATH: folders.filter((folder) => path.isAbsolute(folder)).join(path.delimiter) };
}
