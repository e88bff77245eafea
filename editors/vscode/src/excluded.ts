/** The patterns of files that are left alone. */

/** What was set where. Anything may stand in a settings file. */
export interface Settings {
  readonly globalValue?: unknown;
  readonly workspaceValue?: unknown;
  readonly workspaceFolderValue?: unknown;
}

/** The user's, and behind them those of a workspace that hide more: it cannot let in what the user, or Lacuna, hides. */
export function allExcluded({ globalValue, workspaceValue, workspaceFolderValue }: Settings): string[] {
  const ofWorkspace = [...patterns(workspaceValue), ...patterns(workspaceFolderValue)];
  return [...patterns(globalValue), ...ofWorkspace.filter((pattern) => !pattern.trimStart().startsWith("!"))];
}

function patterns(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
