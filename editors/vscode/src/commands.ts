/** The commands of the palette. */

import * as vscode from "vscode";
import { runDoctor } from "./doctor.ts";
import { showMenu } from "./menu.ts";
import { Models } from "./models.ts";
import type { NextEdits } from "./nextEdits.ts";
import { rewriteSelection } from "./rewrite.ts";
import { NOT_FOUND, type Server } from "./server.ts";
import { toggle, toggleLanguage } from "./settings.ts";
import type { StatisticsView } from "./statisticsView.ts";
import type { Watch } from "./watch.ts";

/** What commands work on. */
export interface Parts {
  readonly server: Server;
  readonly models: Models;
  readonly nextEdits: NextEdits;
  readonly statistics: StatisticsView;
  readonly watch: Watch;
  readonly channel: vscode.LogOutputChannel;
}

/** Registers them all; what goes wrong in one is shown. */
export function registerCommands(parts: Parts): vscode.Disposable[] {
  return Object.entries(commands(parts)).map(([name, run]) =>
    vscode.commands.registerCommand(`lacuna.${name}`, (argument?: unknown) => run(argument).catch(show)),
  );
}

type Command = (argument?: unknown) => Promise<unknown>;

function commands({ server, models, nextEdits, statistics, watch, channel }: Parts): Record<string, Command> {
  const editor = async (command: string, ...argument: unknown[]) => vscode.commands.executeCommand(command, ...argument);
  return {
    menu: () => showMenu(server.status),
    toggle,
    toggleLanguage: async () => {
      const document = vscode.window.activeTextEditor?.document;
      await (document && toggleLanguage(document.languageId));
    },
    suggest: () => editor("editor.action.inlineSuggest.trigger"),
    // A key that comes after the offer has gone is what it is without one: its binding's argument says the command.
    takeNextEdit: (otherwise) =>
      typeof otherwise === "string" && !nextEdits.isOffered ? editor(otherwise) : nextEdits.take(),
    dismissNextEdit: () => nextEdits.dismiss(),
    rewriteSelection: () => rewriteSelection(server),
    selectModel: () => models.select(),
    pullModel: () => models.pull(),
    watch: () => watch.show(),
    showStatistics: () => statistics.show(),
    showLog: () => {
      channel.show();
      return Promise.resolve();
    },
    doctor: async () => {
      if (server.executable === undefined) {
        throw new Error(NOT_FOUND.message);
      }
      await runDoctor(server.executable);
    },
    restart: () => server.restart(),
    openSettings: () => editor("workbench.action.openSettings", "@ext:lacuna.lacuna"),
  };
}

function show(error: unknown): void {
  void vscode.window.showErrorMessage(`Lacuna: ${error instanceof Error ? error.message : String(error)}`);
}
