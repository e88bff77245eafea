/** What settings were called before. Old names are read where the new one is not set, for one version. */

import type { Settings } from "./excluded.ts";

/** By their new names: those of 0.1, until 0.3. */
export const OLD_NAMES: Readonly<Record<string, string>> = { numCandidates: "drafts" };

/** The old name of a setting where that is what was set, else the name itself. */
export function nameInUse(name: string, inspect: (name: string) => Settings | undefined): string {
  const old = OLD_NAMES[name];
  return old !== undefined && !isSet(inspect(name)) && isSet(inspect(old)) ? old : name;
}

function isSet({ globalValue, workspaceValue, workspaceFolderValue }: Settings = {}): boolean {
  return [globalValue, workspaceValue, workspaceFolderValue].some((value) => value !== undefined);
}
