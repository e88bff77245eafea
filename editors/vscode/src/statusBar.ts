/** The item in the status bar: what Lacuna does, in this file. A click opens the menu. */

import * as vscode from "vscode";
import type { State, Status } from "./protocol.ts";
import { isEnabled, isEnabledFor } from "./settings.ts";

/** What the status bar shows: the server's state, and "off" where nothing is suggested in the file that is edited. */
export function shownStatus(server: Status, language: string | undefined): Status {
  if (server.state === "error") {
    return server;
  }
  if (!isEnabled()) {
    return { state: "off", message: "switched off" };
  }
  if (language !== undefined && !isEnabledFor(language)) {
    return { state: "off", message: `switched off for ${language}` };
  }
  return server;
}

export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;

  constructor() {
    this.item = vscode.window.createStatusBarItem("lacuna.status", vscode.StatusBarAlignment.Right, 100);
    this.item.name = "Lacuna";
    this.item.command = "lacuna.menu";
  }

  show(status: Status): void {
    const said = `Lacuna: ${WORDS[status.state]}`;
    this.item.text = `$(${ICONS[status.state]}) Lacuna`;
    this.item.tooltip = status.message === "" ? said : `${said} (${status.message})`;
    this.item.accessibilityInformation = { label: this.item.tooltip };
    this.item.backgroundColor =
      status.state === "error" ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
    this.item.show();
  }

  dispose(): void {
    this.item.dispose();
  }
}

const ICONS: Record<State, string> = {
  loading: "sync~spin",
  ready: "bracket-dot",
  busy: "loading~spin",
  off: "circle-slash",
  error: "error",
};
const WORDS: Record<State, string> = {
  loading: "loading",
  ready: "ready",
  busy: "working",
  off: "off",
  error: "something is wrong",
};
