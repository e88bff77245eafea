/** `lacuna doctor` in a terminal. */

import * as vscode from "vscode";
import { modelArguments } from "./settings.ts";
import { changedEnvironment, FOLDER } from "./surroundings.ts";

/** Runs it for the model that is set; its report stays in the terminal. */
export async function runDoctor(executable: string): Promise<void> {
  const options = { cwd: FOLDER, env: changedEnvironment(process.env) };
  const execution = new vscode.ProcessExecution(executable, ["doctor", ...modelArguments()], options);
  const definition = { type: "process", task: "lacuna doctor" };
  const task = new vscode.Task(definition, vscode.TaskScope.Workspace, "doctor", "Lacuna", execution, []);
  task.presentationOptions = { clear: true, echo: false, focus: true };
  await vscode.tasks.executeTask(task);
}
