/** The language client: what is sent to `lacuna serve` and what is made of its answers. */

import * as vscode from "vscode";
import {
  CloseAction,
  ErrorAction,
  type ErrorHandler,
  LanguageClient,
  type LanguageClientOptions,
  type Middleware,
  type ProgressToken,
  RevealOutputChannelOn,
  type WorkDoneProgressBegin,
  type WorkDoneProgressEnd,
  type WorkDoneProgressReport,
} from "vscode-languageclient/node";
import type { Offer } from "./offers.ts";
import { isEnabledFor } from "./settings.ts";
import { environment, FOLDER } from "./surroundings.ts";

/** Something that takes long, as the server tells of it. */
export interface Progressed {
  readonly token: ProgressToken;
  readonly progress: WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd;
}

/** What a client tells of. */
export interface Listener extends GhostTextListener {
  /** The server's process is gone, and nobody asked it to go. */
  readonly closed: () => void;
  readonly progressed: (progressed: Progressed) => void;
}

/** What a client tells of ghost text. */
export interface GhostTextListener {
  /** The editor asks for suggestions; `answered` follows, and `offered` before it where there is something to show. */
  readonly asked: () => void;
  /** Suggestions, or none, are handed to the editor. */
  readonly offered: (document: string, offers: readonly Offer[]) => void;
  readonly answered: () => void;
}

/** A client that is not started yet. `settings` is asked for at its start. */
export function createClient(
  executable: string,
  settings: () => unknown,
  channel: vscode.LogOutputChannel,
  listener: Listener,
): LanguageClient {
  const options: LanguageClientOptions = {
    documentSelector: [{ scheme: "file" }, { scheme: "untitled" }, { notebook: "*" }],
    initializationOptions: settings,
    outputChannel: channel,
    revealOutputChannelOn: RevealOutputChannelOn.Never, // else each request that fails while somebody types is a popup
    errorHandler: errorHandler(listener),
    middleware: middleware(listener),
    initializationFailedHandler: () => false,
  };
  const spawned = { cwd: FOLDER, env: environment(process.env) };
  return new LanguageClient("lacuna", "Lacuna", { command: executable, args: ["serve"], options: spawned }, options);
}

/** Our own `Server` decides when to start again: the client only says that the connection is gone. */
function errorHandler(listener: Listener): ErrorHandler {
  return {
    error: () => ({ action: ErrorAction.Continue, handled: true }),
    closed: () => {
      listener.closed();
      return { action: CloseAction.DoNotRestart, handled: true };
    },
  };
}

function middleware(listener: Listener): Middleware {
  return {
    provideInlineCompletionItems: async (document, position, context, token, next) => {
      if (!isEnabledFor(document.languageId)) {
        return null;
      }
      listener.asked();
      try {
        const answer = await next(document, position, context, token);
        if (answer && !token.isCancellationRequested) {
          listener.offered(document.uri.toString(), offersOf(document, answer));
        }
        return answer;
      } finally {
        listener.answered();
      }
    },
    provideCompletionItem: (document, position, context, token, next) =>
      isEnabledFor(document.languageId) ? next(document, position, context, token) : null,
    handleWorkDoneProgress: (token, progress, next) => {
      listener.progressed({ token, progress }); // it is shown there, and not in the status bar as well
      if (progress.kind === "end") {
        next(token, progress);
      }
    },
  };
}

function offersOf(
  document: vscode.TextDocument,
  answer: vscode.InlineCompletionItem[] | vscode.InlineCompletionList | null | undefined,
): Offer[] {
  const items = Array.isArray(answer) ? answer : (answer?.items ?? []);
  return items.flatMap((item) =>
    typeof item.insertText === "string" && item.range
      ? [{ id: item.command?.arguments?.[0] as unknown, start: document.offsetAt(item.range.start), text: item.insertText }]
      : [],
  );
}
