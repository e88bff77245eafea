/** Rewriting what is selected as an instruction says, with models that follow instructions. */

import * as vscode from "vscode";
import { ServerCommand } from "./protocol.ts";
import type { Server } from "./server.ts";

/** Asks what to do with the selection, and edits it once the user has confirmed. Rejects with a message for people. */
export async function rewriteSelection(server: Server): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined || editor.selection.isEmpty) {
    throw new Error("select the code that is to be rewritten first.");
  }
  const { document, selection } = editor;
  const { version } = document; // of which the selection is
  const instruction = await vscode.window.showInputBox({
    title: "Lacuna: rewrite the selection",
    prompt: "What is to be done with it?",
    placeHolder: "use a context manager",
    validateInput: (text) => (text.trim() === "" ? "Say what is to be done." : undefined),
  });
  if (instruction === undefined) {
    return;
  }
  assertUnchanged(document, version);
  const range = { start: plain(selection.start), end: plain(selection.end) };
  const argument = { textDocument: { uri: document.uri.toString(), version }, range, instruction };
  const edit = await withProgress((token) => server.workspaceEdit(ServerCommand.rewrite, argument, token));
  if (edit !== undefined) {
    assertUnchanged(document, version);
    await vscode.workspace.applyEdit(edit); // annotations that ask for it are confirmed in a preview
  }
}

function assertUnchanged(document: vscode.TextDocument, version: number): void {
  if (document.version !== version) {
    throw new Error("the document has changed meanwhile: nothing was edited.");
  }
}

/** What some work comes to; undefined where the user cancels it. */
async function withProgress<Result>(
  work: (token: vscode.CancellationToken) => Promise<Result>,
): Promise<Result | undefined> {
  const options = { location: vscode.ProgressLocation.Notification, title: "Lacuna: rewriting…", cancellable: true };
  return vscode.window.withProgress(options, async (_, token) => {
    try {
      return await work(token);
    } catch (error) {
      if (token.isCancellationRequested) {
        return undefined;
      }
      throw error;
    }
  });
}

function plain({ line, character }: vscode.Position): { line: number; character: number } {
  return { line, character };
}
