/** Entry point: makes the parts, and tells each of what concerns it. */

import * as vscode from "vscode";
import { registerCommands } from "./commands.ts";
import { findExecutable, type Places, settingFault } from "./executable.ts";
import { GhostText } from "./ghostText.ts";
import { sayMissing } from "./missing.ts";
import { Models } from "./models.ts";
import { NextEdits } from "./nextEdits.ts";
import { Offers } from "./offers.ts";
import { ServerCommand } from "./protocol.ts";
import { activeInterpreter, onDidChangeInterpreter } from "./python.ts";
import { PullProgress } from "./pullProgress.ts";
import { RestingCursor } from "./restingCursor.ts";
import { NOT_FOUND, Server } from "./server.ts";
import { programPath, serverSettings } from "./settings.ts";
import { shownStatus, StatusBar } from "./statusBar.ts";
import { StatisticsView } from "./statisticsView.ts";
import { Watch } from "./watch.ts";

let running: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const channel = vscode.window.createOutputChannel("Lacuna", { log: true });
  const offers = new Offers();
  const ghostText = new GhostText();
  const find = () => findProgram(channel);
  const server = new Server({
    find,
    fault: () => settingFault(places()),
    settings: () => serverSettings(context.extension),
    channel,
    ghostText: {
      asked: () => ghostText.asked(),
      offered: (document, shown) => {
        offers.replace(document, shown);
        ghostText.offered(shown.length);
      },
      answered: () => ghostText.answered(),
    },
  });
  const nextEdits = new NextEdits(server, ghostText, channel);
  const models = new Models(server);
  const statistics = new StatisticsView(server);
  const watch = new Watch(server, context.extensionUri);
  const commands = registerCommands({ server, models, nextEdits, statistics, watch, channel });
  context.subscriptions.push(channel, nextEdits, statistics, watch, ...commands);
  context.subscriptions.push(new RestingCursor(server), new PullProgress(server));
  context.subscriptions.push(...showStatus(server, context.extension), ...followSettings(server, find));
  context.subscriptions.push(reportPartialAcceptance(server, offers));
  running = server;
  await server.restart();
  void onDidChangeInterpreter(channel, () => void startIfElsewhere(server, find)).then(
    (following) => following && context.subscriptions.push(following),
  );
}

export async function deactivate(): Promise<void> {
  await running?.stop();
}

type Find = () => Promise<string | undefined>;

/** Nothing is run of a workspace that is not trusted; no other extension is waited for where the path is set. */
async function findProgram(channel: vscode.LogOutputChannel): Promise<string | undefined> {
  const isAsked = vscode.workspace.isTrusted && programPath() === "";
  return findExecutable({ ...places(), interpreter: isAsked ? await activeInterpreter(channel) : undefined });
}

/** Where the program may be, but for the active interpreter. */
function places(): Places {
  const trusted = vscode.workspace.isTrusted ? (vscode.workspace.workspaceFolders ?? []) : [];
  const folders = trusted.map((folder) => folder.uri.fsPath);
  return { setting: programPath(), interpreter: undefined, folders, searchPath: process.env["PATH"] ?? "" };
}

/** Another environment is active: starts the server anew if it holds another program. */
async function startIfElsewhere(server: Server, find: Find): Promise<void> {
  if ((await find()) !== server.executable) {
    await server.restart();
  }
}

function showStatus(server: Server, extension: vscode.Extension<unknown>): vscode.Disposable[] {
  const bar = new StatusBar();
  const show = () => bar.show(shownStatus(server.status, vscode.window.activeTextEditor?.document.languageId));
  return [
    bar,
    server.onDidChangeStatus((status) => {
      show();
      if (status === NOT_FOUND) {
        void sayMissing(extension);
      }
    }),
    server.onDidGiveUp((why) => void offerRestart(why)),
    vscode.window.onDidChangeActiveTextEditor(show),
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("lacuna") && show()),
  ];
}

async function offerRestart(why: string): Promise<void> {
  const answer = await vscode.window.showErrorMessage(`Lacuna: ${why}.`, "Start Again", "Show Log");
  if (answer !== undefined) {
    await vscode.commands.executeCommand(answer === "Show Log" ? "lacuna.showLog" : "lacuna.restart");
  }
}

function followSettings(server: Server, find: Find): vscode.Disposable[] {
  return [
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration("lacuna.path")) {
        await server.restart();
      } else if (event.affectsConfiguration("lacuna")) {
        await server.configure();
      }
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => startIfElsewhere(server, find)),
  ];
}

function reportPartialAcceptance(server: Server, offers: Offers): vscode.Disposable {
  return vscode.workspace.onDidChangeTextDocument(({ document, contentChanges: [change, ...more] }) => {
    if (change === undefined || more.length > 0) {
      return;
    }
    const taken = offers.inserted(document.uri.toString(), change.rangeOffset, change.text, () => document.getText());
    if (taken !== undefined && server.isRunning) {
      void server.execute(ServerCommand.partiallyAccepted, taken.id, taken.length);
    }
  });
}
