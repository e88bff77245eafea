/** Shows the statistics in the editor: a read-only document, as a Markdown preview. */

import * as vscode from "vscode";
import { ServerCommand, type Statistics } from "./protocol.ts";
import type { Server } from "./server.ts";
import { statisticsPage } from "./statistics.ts";

const URI = vscode.Uri.parse("lacuna:Lacuna statistics.md");

export class StatisticsView implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly server: Server;
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(URI.scheme, this);
  readonly onDidChange = this.changed.event;

  constructor(server: Server) {
    this.server = server;
  }

  /** Opens the page, or brings it up to date. */
  async show(): Promise<void> {
    this.changed.fire(URI);
    await vscode.commands.executeCommand("markdown.showPreviewToSide", URI);
  }

  async provideTextDocumentContent(): Promise<string> {
    return statisticsPage(await this.server.execute<Statistics>(ServerCommand.statistics));
  }

  dispose(): void {
    this.registration.dispose();
    this.changed.dispose();
  }
}
