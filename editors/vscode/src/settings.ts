/** The settings under `lacuna`: those of the server, which are sent to it, and those of this extension. */

import * as vscode from "vscode";
import { allExcluded } from "./excluded.ts";
import { nameInUse, OLD_NAMES } from "./oldNames.ts";

const SECTION = "lacuna";
const OWN = new Set(["path"]);

/** What the server is to be told: everything that package.json lists, but for this extension's own. */
export function serverSettings(extension: vscode.Extension<unknown>): Record<string, unknown> {
  const { contributes } = extension.packageJSON as Manifest;
  const names = Object.keys(contributes.configuration.properties).map((key) => key.slice(SECTION.length + 1));
  const settings = configuration();
  const notSent = new Set([...OWN, ...Object.values(OLD_NAMES)]);
  const values = names
    .filter((name) => !notSent.has(name))
    .map((name) => [name, settings.get(nameInUse(name, (key) => settings.inspect(key)))] as const);
  return { ...Object.fromEntries(values), excluded: allExcluded(settings.inspect<unknown>("excluded") ?? {}) };
}

interface Manifest {
  readonly contributes: { readonly configuration: { readonly properties: Readonly<Record<string, unknown>> } };
}

/** The setting `lacuna.path`. */
export function programPath(): string {
  return configuration().get("path", "").trim();
}

/** The setting `lacuna.model`. */
export function model(): string {
  return configuration().get("model", "");
}

/** What the settings say of the model, for the program's command line. */
export function modelArguments(): string[] {
  const settings = configuration();
  const adapter = settings.get<string>("adapter", "");
  return [
    ...["model", "device", "dtype", "threads"].flatMap((name) => [`--${name}`, String(settings.get(name))]),
    ...(adapter === "" ? [] : ["--adapter", adapter]),
  ];
}

/** Whether there are to be suggestions at all. */
export function isEnabled(): boolean {
  return configuration().get("enabled", true);
}

/** Whether there are to be suggestions in this language. */
export function isEnabledFor(language: string): boolean {
  return isEnabled() && !disabledLanguages().includes(language);
}

/** Whether edits that follow from the last one are to be shown in this language. */
export function areNextEditsWanted(language: string): boolean {
  return isEnabledFor(language) && configuration().get("nextEdits", true);
}

/** Suggestions on or off, everywhere. */
export async function toggle(): Promise<void> {
  await update("enabled", !isEnabled());
}

/** Suggestions on or off in one language. */
export async function toggleLanguage(language: string): Promise<void> {
  const others = disabledLanguages().filter((other) => other !== language);
  await update("disabledLanguages", disabledLanguages().includes(language) ? others : [...others, language].sort());
}

export async function setModel(name: string): Promise<void> {
  await update("model", name);
}

function disabledLanguages(): string[] {
  return configuration().get("disabledLanguages", []);
}

/** Writes where the value in force stands: into the workspace's settings if it does there, else the user's. */
async function update(name: string, value: unknown): Promise<void> {
  const inWorkspace = configuration().inspect(name)?.workspaceValue !== undefined;
  const target = inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global;
  await configuration().update(name, value, target);
}

function configuration(): vscode.WorkspaceConfiguration {
  return vscode.workspace.getConfiguration(SECTION);
}
