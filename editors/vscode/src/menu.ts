/** The menu of the status bar. */

import * as vscode from "vscode";
import type { Status } from "./protocol.ts";
import { isEnabled, isEnabledFor, model } from "./settings.ts";

/** Shows the menu and runs what is picked. */
export async function showMenu(status: Status): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  const picked = await vscode.window.showQuickPick(entries(language), {
    title: status.message === "" ? "Lacuna" : `Lacuna: ${status.message}`,
    placeHolder: "What shall be done?",
  });
  if (picked?.command !== undefined) {
    await vscode.commands.executeCommand(picked.command);
  }
}

interface Entry extends vscode.QuickPickItem {
  readonly command?: string;
}

function entries(language: string | undefined): Entry[] {
  return [
    isEnabled()
      ? { label: "$(circle-slash) Switch off everywhere", command: "lacuna.toggle" }
      : { label: "$(check) Switch on", command: "lacuna.toggle" },
    ...(language === undefined || !isEnabled() ? [] : [languageEntry(language)]),
    separator("Model"),
    { label: "$(package) Choose the model…", description: model(), command: "lacuna.selectModel" },
    { label: "$(cloud-download) Pull a model…", command: "lacuna.pullModel" },
    separator("See"),
    { label: "$(eye) Watch the denoising", command: "lacuna.watch" },
    { label: "$(graph) Statistics", command: "lacuna.showStatistics" },
    { label: "$(output) Log", command: "lacuna.showLog" },
    separator("Help"),
    { label: "$(pulse) Doctor", description: "what Lacuna finds on this machine", command: "lacuna.doctor" },
    { label: "$(debug-restart) Restart the server", command: "lacuna.restart" },
    { label: "$(gear) Settings", command: "lacuna.openSettings" },
  ];
}

function languageEntry(language: string): Entry {
  return isEnabledFor(language)
    ? { label: `$(circle-slash) Switch off for ${language}`, command: "lacuna.toggleLanguage" }
    : { label: `$(check) Switch on for ${language}`, command: "lacuna.toggleLanguage" };
}

function separator(label: string): Entry {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}
