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

/** The interpreter of the first workspace folder's environment; undefined where that extension has none to tell. */
export async function activeInterpreter(channel: vscode.LogOutputChannel): Promise<string | undefined> {
  return ask(channel, async ({ environments }) => {
    const active = environments.getActiveEnvironmentPath(vscode.workspace.workspaceFolders?.[0]?.uri);
    return (await environments.resolveEnvironment(active))?.executable.uri?.fsPath;
  });
}

/** Calls back when another environment becomes the active one. */
export async function onDidChangeInterpreter(
  channel: vscode.LogOutputChannel,
  listener: () => void,
): Promise<vscode.Disposable | undefined> {
  return ask(channel, ({ environments }) => environments.onDidChangeActiveEnvironmentPath(listener));
}

/** Undefined where that extension is not installed, or fails: that must not keep the server from starting. */
async function ask<Answer>(
  channel: vscode.LogOutputChannel,
  question: (python: PythonExtension) => Answer | Promise<Answer>,
): Promise<Answer | undefined> {
  try {
    const python = await vscode.extensions.getExtension<PythonExtension>("ms-python.python")?.activate();
    return python && (await question(python));
  } catch (error) {
    channel.warn(`the Python extension does not tell its environment: ${String(error)}`);
    return undefined;
  }
}
