/** What is said, once, when the program `lacuna` is not found. */

import * as vscode from "vscode";
import { programPath } from "./settings.ts";

const HOW = "How to Install";
const PATH = "Set the Path";

let said = false;

/** Says where it was looked for, and what to do. */
export async function sayMissing(extension: vscode.Extension<unknown>): Promise<void> {
  if (said) {
    return;
  }
  said = true;
  const set = programPath();
  const message =
    set === ""
      ? "Lacuna: the program “lacuna” is neither in the active Python environment, nor in the workspace's, nor on the PATH."
      : `Lacuna: there is no program at “${set}”, where the setting “lacuna.path” points.`;
  const answer = await vscode.window.showErrorMessage(message, HOW, PATH);
  if (answer === HOW) {
    await vscode.commands.executeCommand("extension.open", extension.id);
  } else if (answer === PATH) {
    await vscode.commands.executeCommand("workbench.action.openSettings", "lacuna.path");
  }
}
