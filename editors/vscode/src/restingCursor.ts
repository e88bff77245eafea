/** Tells the server where the cursor rests, so that what stands around it is read before somebody types there. */

import * as vscode from "vscode";
import { CURSOR_NOTIFICATION } from "./protocol.ts";
import type { Server } from "./server.ts";
import { isEnabledFor } from "./settings.ts";

const SCHEMES = new Set(["file", "untitled", "vscode-notebook-cell"]); // of what the server is told
const REST_MS = 150; // who moves on through a file wants nothing read on the way

export class RestingCursor {
  private readonly server: Server;
  private readonly subscriptions: vscode.Disposable[];
  /** Of which text the cursor moved last. */
  private readonly versions = new WeakMap<vscode.TextDocument, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(server: Server) {
    this.server = server;
    this.subscriptions = [
      vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => this.moved(textEditor)),
      vscode.window.onDidChangeActiveTextEditor((editor) => editor !== undefined && this.moved(editor)),
      vscode.workspace.onDidChangeTextDocument(() => clearTimeout(this.timer)),
      // A server that has just started knows of no cursor.
      server.onDidStart(() => vscode.window.activeTextEditor && this.moved(vscode.window.activeTextEditor)),
    ];
  }

  dispose(): void {
    clearTimeout(this.timer);
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  /** What is typed moves the cursor too; the editor asks for a suggestion then. */
  private moved(editor: vscode.TextEditor): void {
    clearTimeout(this.timer);
    const { document } = editor;
    const known = this.versions.get(document);
    this.versions.set(document, document.version);
    if (known === undefined || known === document.version) {
      this.timer = setTimeout(() => this.rested(editor), REST_MS);
    }
  }

  private rested(editor: vscode.TextEditor): void {
    const { document, selection } = editor;
    const isTold = SCHEMES.has(document.uri.scheme) && isEnabledFor(document.languageId);
    if (isTold && editor === vscode.window.activeTextEditor && selection.isEmpty) {
      const { line, character } = selection.active;
      const params = { textDocument: { uri: document.uri.toString() }, position: { line, character } };
      void this.server.notify(CURSOR_NOTIFICATION, params).catch(() => undefined); // a server that is gone says so itself
    }
  }
}
