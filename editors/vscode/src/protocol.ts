/** What Lacuna's server says and understands beyond the Language Server Protocol. */

/** Commands of the server (workspace/executeCommand). The language client registers them with VS Code by itself. */
export const ServerCommand = {
  partiallyAccepted: "lacuna.partiallyAccepted",
  statistics: "lacuna.statistics",
  frames: "lacuna.frames",
  pull: "lacuna.pull",
  models: "lacuna.models",
} as const;

export const STATUS_NOTIFICATION = "lacuna/status";
export const FRAMES_NOTIFICATION = "lacuna/frames";

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
