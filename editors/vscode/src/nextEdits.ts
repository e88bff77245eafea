/** Next edits: asked for when the user pauses, shown, taken or dismissed; one at a time. */

import * as vscode from "vscode";
import type { GhostText } from "./ghostText.ts";
import { NextEdit } from "./nextEdit.ts";
import { NextEditView } from "./nextEditView.ts";
import { NEXT_EDIT_REQUEST, NEXT_EDIT_SHOWN_NOTIFICATION, type NextEditAnswer, ServerCommand } from "./protocol.ts";
import type { Server } from "./server.ts";
import { areNextEditsWanted } from "./settings.ts";

const PAUSE_MS = 300; // without an edit
const OFFERED = "lacuna.nextEditOffered"; // the context key of the key bindings
const SCHEMES = new Set(["file", "untitled"]);

export class NextEdits implements vscode.Disposable {
  private readonly server: Server;
  private readonly ghostText: GhostText;
  private readonly channel: vscode.LogOutputChannel;
  private readonly view = new NextEditView();
  private readonly subscriptions: vscode.Disposable[];
  private offer: NextEdit | undefined;
  private isReported = false; // that the offer is on the screen
  private isApplying = false;
  /** Where an edit was made, until it is known that nothing follows from it. */
  private edited: vscode.TextDocument | undefined;
  private timer: NodeJS.Timeout | undefined;
  private request: vscode.CancellationTokenSource | undefined;

  constructor(server: Server, ghostText: GhostText, channel: vscode.LogOutputChannel) {
    this.server = server;
    this.ghostText = ghostText;
    this.channel = channel;
    this.subscriptions = [
      this.view,
      vscode.workspace.onDidChangeTextDocument((event) => this.changed(event)),
      vscode.workspace.onDidCloseTextDocument((document) => this.offer?.document === document && this.takeDown()),
      vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => this.moved(textEditor)),
      vscode.window.onDidChangeTextEditorVisibleRanges(() => this.draw()),
      vscode.window.onDidChangeActiveTextEditor((editor) => this.entered(editor)),
      vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("lacuna") && this.reconsider()),
      server.onDidStart(() => this.takeDown()),
    ];
  }

  get isOffered(): boolean {
    return this.offer !== undefined;
  }

  /** Takes the edit that is offered, or goes where it is; where none is, asks for one. */
  async take(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (this.offer === undefined) {
      await this.askAtOnce(editor);
    } else if (editor !== undefined && this.offer.isWithinReach(editor)) {
      await this.apply(this.offer, editor);
    } else {
      await reveal(this.offer);
      this.draw();
    }
  }

  /** The edit that is offered is not wanted. */
  async dismiss(): Promise<void> {
    const offer = this.offer;
    this.takeDown();
    this.edited = undefined;
    if (offer !== undefined) {
      await this.tell(this.server.execute(ServerCommand.dismissed, ...offer.item.command.arguments));
    }
  }

  dispose(): void {
    this.takeDown();
    this.subscriptions.forEach((subscription) => void subscription.dispose());
  }

  private changed({ document, contentChanges, reason }: vscode.TextDocumentChangeEvent): void {
    if (!SCHEMES.has(document.uri.scheme) || contentChanges.length === 0 || this.isApplying) {
      return;
    }
    const isActive = document === vscode.window.activeTextEditor?.document;
    if (!isActive && document !== this.offer?.document) {
      return; // such as a log that grows
    }
    this.takeDown();
    if (isActive) {
      this.ghostText.moved();
      this.edited = reason === undefined ? document : undefined; // nothing is to follow from undoing
    }
    this.wait();
  }

  private moved(editor: vscode.TextEditor): void {
    if (editor === vscode.window.activeTextEditor) {
      this.ghostText.moved();
      this.wait();
      this.draw();
    }
  }

  /** Between two editors there is none for a moment. */
  private entered(editor: vscode.TextEditor | undefined): void {
    const wanted = this.offer?.document ?? this.edited;
    if (editor !== undefined && editor.document !== wanted) {
      this.takeDown();
    }
    this.wait();
    this.draw();
  }

  /** The settings are others. */
  private reconsider(): void {
    this.takeDown();
    this.wait();
  }

  /** Asks when the user pauses, if there is something to ask. */
  private wait(): void {
    clearTimeout(this.timer);
    this.timer = this.edited && setTimeout(() => this.paused(), PAUSE_MS);
  }

  private paused(): void {
    const editor = vscode.window.activeTextEditor;
    const isBusy = this.request !== undefined || this.offer !== undefined || this.ghostText.isShown;
    if (isBusy || editor?.document !== this.edited) {
      return; // the next move of the cursor tries again
    }
    if (this.ghostText.isAwaited) {
      this.wait();
    } else if (editor !== undefined && areNextEditsWanted(editor.document.languageId) && this.server.isRunning) {
      void this.ask(editor);
    }
  }

  private async askAtOnce(editor: vscode.TextEditor | undefined): Promise<void> {
    if (editor === undefined || !SCHEMES.has(editor.document.uri.scheme)) {
      return;
    }
    await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: "Lacuna: looking…" }, () =>
      this.ask(editor),
    );
    if (this.offer === undefined) {
      vscode.window.setStatusBarMessage("Lacuna: nothing follows from the last edit.", 5000);
    }
  }

  private async ask(editor: vscode.TextEditor): Promise<void> {
    this.takeDown();
    const request = new vscode.CancellationTokenSource();
    this.request = request;
    const { document, selection } = editor;
    const { line, character } = selection.active;
    const textDocument = { uri: document.uri.toString(), version: document.version };
    const params = { textDocument, position: { line, character } };
    const answer = await this.tell(this.server.request<NextEditAnswer>(NEXT_EDIT_REQUEST, params, request.token));
    if (this.request === request) {
      this.request = undefined;
      this.show(answer?.edits.map((item) => NextEdit.of(item)).find((edit) => edit !== undefined));
      this.edited = this.offer && document;
    }
  }

  private show(offer: NextEdit | undefined): void {
    this.offer = offer;
    this.isReported = false;
    void vscode.commands.executeCommand("setContext", OFFERED, offer !== undefined);
    this.draw();
  }

  private draw(): void {
    const [offer, editor] = [this.offer, vscode.window.activeTextEditor];
    if (offer === undefined || editor === undefined || !this.view.show(offer, editor) || this.isReported) {
      return;
    }
    this.isReported = true;
    void this.tell(this.server.notify(NEXT_EDIT_SHOWN_NOTIFICATION, { item: offer.item }));
  }

  /** Shows none, and asks for none. */
  private takeDown(): void {
    clearTimeout(this.timer);
    this.request?.cancel();
    this.request = undefined;
    if (this.offer !== undefined) {
      this.view.hide();
      this.show(undefined);
    }
  }

  private async apply(offer: NextEdit, editor: vscode.TextEditor): Promise<void> {
    this.takeDown();
    if (!offer.isCurrent) {
      return;
    }
    const offset = offer.endOffset;
    if (await this.edit(offer, editor)) {
      const cursor = editor.document.positionAt(offset);
      editor.selection = new vscode.Selection(cursor, cursor);
      const { command, arguments: argument } = offer.item.command;
      await this.tell(this.server.execute(command, ...argument));
      await this.ask(editor);
    }
  }

  /** Whether it could be done: not where the document changes meanwhile. */
  private async edit({ range, text }: NextEdit, editor: vscode.TextEditor): Promise<boolean> {
    this.isApplying = true;
    try {
      return await editor.edit((edit) => edit.replace(range, text));
    } finally {
      this.isApplying = false;
    }
  }

  /** What the server answers; undefined where it fails: that is for the log. */
  private tell<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
    return answer.catch((error: unknown) => {
      this.channel.debug(`next edit: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    });
  }
}

/** Opens its document where it is open already, and puts the cursor where it begins. */
async function reveal(offer: NextEdit): Promise<void> {
  const shown = vscode.window.visibleTextEditors.find((editor) => editor.document === offer.document);
  const column = shown?.viewColumn === undefined ? {} : { viewColumn: shown.viewColumn };
  const selection = new vscode.Range(offer.start, offer.start);
  const editor = await vscode.window.showTextDocument(offer.document, { ...column, selection });
  editor.revealRange(selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}
