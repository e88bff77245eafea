/** What Lacuna's server says and understands beyond the Language Server Protocol. */

/** Commands of the server (workspace/executeCommand). The language client registers them with VS Code by itself. */
export const ServerCommand = {
  partiallyAccepted: "lacuna.partiallyAccepted",
  dismissed: "lacuna.dismissed",
  rewrite: "lacuna.rewrite",
  statistics: "lacuna.statistics",
  frames: "lacuna.frames",
  pull: "lacuna.pull",
  models: "lacuna.models",
} as const;

export const CURSOR_NOTIFICATION = "lacuna/cursor";
export const CANCEL_PROGRESS_NOTIFICATION = "window/workDoneProgress/cancel";
export const STATUS_NOTIFICATION = "lacuna/status";
export const FRAMES_NOTIFICATION = "lacuna/frames";
export const NEXT_EDIT_REQUEST = "textDocument/copilotInlineEdit";
export const NEXT_EDIT_SHOWN_NOTIFICATION = "textDocument/didShowInlineEdit";

export type State = "loading" | "ready" | "busy" | "error" | "off";

export interface Status {
  readonly state: State;
  readonly message: string;
}

/** One step of a running denoise. */
export interface Frame {
  readonly textDocument: { readonly uri: string; readonly version: number };
  readonly request: number;
  readonly step: number;
  readonly cells: readonly Cell[];
  readonly done: boolean;
  readonly before: string;
  readonly after: string;
}

/** One place of the canvas: its text, null while it is noise, and whether it was taken over in this step. */
export interface Cell {
  readonly text: string | null;
  readonly accepted: boolean;
}

/** What `NEXT_EDIT_REQUEST` answers: at most one edit. */
export interface NextEditAnswer {
  readonly edits: readonly NextEditItem[];
}

/** An edit of this version of a document; `command` is run when it was applied, its only argument is the edit's id. */
export interface NextEditItem {
  readonly text: string;
  readonly textDocument: { readonly uri: string; readonly version: number };
  readonly range: Range;
  readonly command: { readonly title: string; readonly command: string; readonly arguments: readonly unknown[] };
}

/** As in LSP: from 0 on, in UTF-16 units. */
export interface Range {
  readonly start: { readonly line: number; readonly character: number };
  readonly end: { readonly line: number; readonly character: number };
}

/** Something that can be chosen as `lacuna.model`. */
export interface Model {
  readonly name: string;
  readonly pulled: boolean;
  readonly directory: string | null;
  readonly note: string;
}

/** What `lacuna.statistics` answers: counts by name, and groups of counts or of percentiles. */
export type Statistics = Readonly<Record<string, number | StatisticsGroup>>;
export type StatisticsGroup = Readonly<Record<string, number | Readonly<Record<string, number>>>>;
