/** Choosing a model, and fetching one. */

import * as vscode from "vscode";
import { LSPErrorCodes, ResponseError } from "vscode-languageclient/node";
import { type Model, ServerCommand } from "./protocol.ts";
import type { Server } from "./server.ts";
import { model as chosenModel, setModel } from "./settings.ts";

const PULL = "Pull It";
const AUTO = "auto"; // which stands for another model

export class Models {
  private readonly server: Server;

  constructor(server: Server) {
    this.server = server;
  }

  /** Lets the user pick the model that suggestions come from; one that is not there is pulled. */
  async select(): Promise<void> {
    const picked = await this.pick("The model that suggestions come from", [DIRECTORY]);
    const name = picked === DIRECTORY ? await pickDirectory() : picked?.model?.name;
    if (name === undefined) {
      return;
    }
    if (picked?.model?.pulled === false && !(await this.offerToPull(picked.model))) {
      return;
    }
    await setModel(name);
  }

  /** Lets the user pick a model, and fetches it. */
  async pull(): Promise<void> {
    const picked = await this.pick("The model to fetch", [], (model) => model.name !== AUTO);
    if (picked?.model !== undefined && (await this.fetch(picked.model.name))) {
      void vscode.window.showInformationMessage(`Lacuna: ${picked.model.name} is there.`);
    }
  }

  private async pick(
    placeHolder: string,
    more: ModelEntry[],
    isListed: (model: Model) => boolean = () => true,
  ): Promise<ModelEntry | undefined> {
    const models = (await this.server.execute<Model[]>(ServerCommand.models)).filter(isListed);
    return vscode.window.showQuickPick([...models.map(entry), ...more], { title: "Lacuna", placeHolder });
  }

  private async offerToPull(model: Model): Promise<boolean> {
    const question = `Lacuna: ${model.name} is not on this machine yet.`;
    const answer = await vscode.window.showInformationMessage(question, { modal: true, detail: model.note }, PULL);
    return answer === PULL && this.fetch(model.name);
  }

  /** Whether it is there now; how far it is is shown, and what goes wrong. Who cancels it knows that. */
  private async fetch(name: string): Promise<boolean> {
    try {
      await this.server.execute(ServerCommand.pull, name);
      return true;
    } catch (error) {
      if (!(error instanceof ResponseError && error.code === LSPErrorCodes.RequestCancelled)) {
        void vscode.window.showErrorMessage(`Lacuna: ${error instanceof Error ? error.message : String(error)}`);
      }
      return false;
    }
  }
}

interface ModelEntry extends vscode.QuickPickItem {
  readonly model?: Model;
}

const DIRECTORY: ModelEntry = { label: "$(folder) A model in a directory…" };

function entry(model: Model): ModelEntry {
  const icon = model.name === chosenModel() ? "check" : model.pulled ? "package" : "cloud-download";
  const description = model.pulled ? "" : "not on this machine yet";
  return { label: `$(${icon}) ${model.name}`, description, detail: model.note, model };
}

async function pickDirectory(): Promise<string | undefined> {
  const options = { canSelectFiles: false, canSelectFolders: true, openLabel: "Use This Model" };
  return (await vscode.window.showOpenDialog(options))?.[0]?.fsPath;
}
