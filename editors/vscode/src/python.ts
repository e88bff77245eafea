/** The active Python environment, as Microsoft's Python extension knows it. */

import * as vscode from "vscode";

/** The part of that extension's interface that is used here. */
interface PythonExtension {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: { path: string }): Promise<{ executable: { uri?: vscode.Uri } } | undefined>;
    readonly onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

/** The interpreter of the first workspace folder's environment; undefined where that extension is not installed. */
export async function activeInterpreter(): Promise<string | undefined> {
  const python = await pythonExtension();
  const active = python?.environments.getActiveEnvironmentPath(vscode.workspace.workspaceFolders?.[0]?.uri);
  const resolved = active && (await python?.environments.resolveEnvironment(active));
  return resolved?.executable.uri?.fsPath;
}

/** Calls back when another environment becomes the active one. */
export async function onDidChangeInterpreter(listener: () => void): Promise<vscode.Disposable | undefined> {
  return (await pythonExtension())?.environments.onDidChangeActiveEnvironmentPath(listener);
}

async function pythonExtension(): Promise<PythonExtension | undefined> {
  return vscode.extensions.getExtension<PythonExtension>("ms-python.python")?.activate();
}
