/** "Watch the denoising": a view beside the editor in which noise settles into code, step by step. */

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { ServerCommand } from "./protocol.ts";
import type { Server } from "./server.ts";

export class Watch implements vscode.Disposable {
  private readonly server: Server;
  private readonly media: vscode.Uri;
  private panel: vscode.WebviewPanel | undefined;
  private readonly subscriptions: vscode.Disposable[];

  constructor(server: Server, extension: vscode.Uri) {
    this.server = server;
    this.media = vscode.Uri.joinPath(extension, "media");
    this.subscriptions = [
      server.onDidReceiveFrame((frame) => void this.panel?.webview.postMessage(frame)),
      server.onDidStart(() => this.panel && void this.wantFrames(true)),
    ];
  }

  /** Opens the view, or brings it to the front. */
  async show(): Promise<void> {
    if (this.panel !== undefined) {
      this.panel.reveal(undefined, true);
      return;
    }
    const column = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    const options = { enableScripts: true, localResourceRoots: [this.media], retainContextWhenHidden: true };
    this.panel = vscode.window.createWebviewPanel("lacuna.watch", "Denoising", column, options);
    this.panel.webview.html = this.page(this.panel.webview);
    this.panel.onDidDispose(() => this.closed());
    await this.wantFrames(true);
  }

  dispose(): void {
    this.panel?.dispose();
    this.subscriptions.forEach((subscription) => void subscription.dispose());
  }

  private closed(): void {
    this.panel = undefined;
    void this.wantFrames(false);
  }

  /** A server that does not run is told when it starts. */
  private async wantFrames(wanted: boolean): Promise<void> {
    if (this.server.isRunning) {
      await this.server.execute(ServerCommand.frames, wanted);
    }
  }

  private page(webview: vscode.Webview): string {
    const nonce = randomBytes(16).toString("hex");
    const file = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(this.media, name)).toString();
    return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'">
    <link rel="stylesheet" href="${file("watch.css")}">
    <title>Denoising</title>
  </head>
  <body>
    <p id="hint">Type in a file, or trigger a suggestion: what Lacuna fills in appears here, step by step.</p>
    <pre id="canvas" aria-live="off"></pre>
    <p id="caption"></p>
    <ol id="steps"></ol>
    <script nonce="${nonce}" src="${file("watch.js")}"></script>
  </body>
</html>`;
  }
}
