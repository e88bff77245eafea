/** Shows how far pulls are, whoever asked for them: a notification with a bar, by which they can be cancelled. */

import * as vscode from "vscode";
import type { ProgressToken } from "vscode-languageclient/node";
import type { Progressed } from "./client.ts";
import { CANCEL_PROGRESS_NOTIFICATION } from "./protocol.ts";
import type { Server } from "./server.ts";

export class PullProgress implements vscode.Disposable {
  private readonly server: Server;
  private readonly bars = new Map<ProgressToken, Bar>();
  private readonly subscriptions: vscode.Disposable[];

  constructor(server: Server) {
    this.server = server;
    this.subscriptions = [
      server.onDidProgress((progressed) => this.progressed(progressed)),
      server.onDidChangeStatus(() => server.isRunning || this.endAll()), // nobody else would
    ];
  }

  dispose(): void {
    this.endAll();
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private progressed({ token, progress }: Progressed): void {
    if (progress.kind === "begin") {
      const cancel = () => void this.server.notify(CANCEL_PROGRESS_NOTIFICATION, { token }).catch(() => undefined);
      this.bars.set(token, new Bar(progress.title, cancel));
    } else if (progress.kind === "report") {
      this.bars.get(token)?.report(progress.percentage, progress.message);
    } else {
      this.bars.get(token)?.end();
      this.bars.delete(token);
    }
  }

  private endAll(): void {
    for (const bar of this.bars.values()) {
      bar.end();
    }
    this.bars.clear();
  }
}

class Bar {
  private percentage = 0;
  private message: string | undefined;
  private told = 0;
  private shown: vscode.Progress<{ message?: string; increment?: number }> | undefined;
  private ended: () => void = () => undefined;

  constructor(title: string, cancel: () => void) {
    const whole = new Promise<void>((resolve) => (this.ended = resolve));
    const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
    void vscode.window.withProgress(options, (shown, cancellation) => {
      this.shown = shown; // the editor takes a moment for it
      this.tell();
      cancellation.onCancellationRequested(cancel);
      return whole;
    });
  }

  report(percentage: number | undefined, message: string | undefined): void {
    this.percentage = percentage ?? this.percentage;
    this.message = message ?? this.message;
    this.tell();
  }

  end(): void {
    this.ended();
  }

  private tell(): void {
    const { message, percentage, told } = this;
    this.shown?.report({ increment: percentage - told, ...(message === undefined ? {} : { message }) });
    this.told = this.shown === undefined ? told : percentage;
  }
}
