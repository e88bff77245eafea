/** A next edit in an open document: where it is, and what of the text it changes. */

import * as vscode from "vscode";
import { isOfLines, type LineChange, lineChange } from "./lineChange.ts";
import { withLineEnds } from "./lineEnds.ts";
import type { NextEditItem } from "./protocol.ts";
import { wordChanges } from "./wordChanges.ts";

/** Lines from the cursor within which an edit that is in view is taken without going there first. */
const NEAR = 5;

/** `text` takes the place of `range`, which a person sees go. */
export interface ShownChange {
  readonly range: vscode.Range;
  readonly text: string;
}

export class NextEdit {
  readonly item: NextEditItem;
  readonly document: vscode.TextDocument;
  readonly range: vscode.Range;
  /** What takes its place, with the document's line ends. */
  readonly text: string;
  /** From left to right, at least one. */
  readonly changes: readonly ShownChange[];
  /** Undefined where the changes are shown in their lines. */
  readonly lines: LineChange | undefined;

  private constructor(item: NextEditItem, document: vscode.TextDocument) {
    const { start, end } = item.range;
    this.item = item;
    this.document = document;
    this.range = new vscode.Range(start.line, start.character, end.line, end.character);
    this.text = withLineEnds(item.text, document.eol === vscode.EndOfLine.CRLF ? "\r\n" : "\n");
    const offset = document.offsetAt(this.range.start);
    const place = (at: number) => document.positionAt(offset + at);
    this.changes = wordChanges(document.getText(this.range), this.text).map((change) => ({
      range: new vscode.Range(place(change.start), place(change.end)),
      text: change.text,
    }));
    const lines = linesOf(document, this.range, this.text);
    const isSqueezed = lines.lines.length > 0 && this.changes.some(({ text }) => text.includes("\n"));
    this.lines = isSqueezed || isOfLines(oldLines(lines, document), lines.lines) ? lines : undefined;
  }

  /** Undefined where its document is not open, has moved on, or would stay as it is. */
  static of(item: NextEditItem): NextEdit | undefined {
    const uri = vscode.Uri.parse(item.textDocument.uri).toString();
    const document = vscode.workspace.textDocuments.find((open) => open.uri.toString() === uri);
    if (document?.version !== item.textDocument.version) {
      return undefined;
    }
    const edit = new NextEdit(item, document);
    return edit.changes.length > 0 ? edit : undefined;
  }

  /** Whether it is still an edit of the text as it is. */
  get isCurrent(): boolean {
    return this.document.version === this.item.textDocument.version && !this.document.isClosed;
  }

  /** Where the first change begins. */
  get start(): vscode.Position {
    return this.changes[0]?.range.start ?? this.range.start;
  }

  /** Where the last change ends, now. */
  get end(): vscode.Position {
    return this.changes.at(-1)?.range.end ?? this.range.end;
  }

  /** The offset into the document, once the edit is applied, where the last change ends. */
  get endOffset(): number {
    const unchanged = this.document.offsetAt(this.range.end) - this.document.offsetAt(this.end);
    return this.document.offsetAt(this.range.start) + this.text.length - unchanged;
  }

  isInView(editor: vscode.TextEditor): boolean {
    const { start, end } = this;
    return (
      editor.document === this.document &&
      editor.visibleRanges.some((visible) => visible.start.line <= start.line && end.line <= visible.end.line)
    );
  }

  /** Whether a person at the editor's cursor sees it, and need not go there to take it. */
  isWithinReach(editor: vscode.TextEditor): boolean {
    const line = editor.selection.active.line;
    const distance = Math.max(this.start.line - line, line - this.end.line, 0);
    return editor.document === this.document && (distance === 0 || (distance <= NEAR && this.isInView(editor)));
  }
}

/** What becomes of the lines of a document if `text` replaces `range`. */
function linesOf(document: vscode.TextDocument, range: vscode.Range, text: string): LineChange {
  const whole = new vscode.Range(range.start.with({ character: 0 }), document.lineAt(range.end.line).range.end);
  const [left, right] = [new vscode.Range(whole.start, range.start), new vscode.Range(range.end, whole.end)];
  const [before, after] = [document.getText(whole), document.getText(left) + text + document.getText(right)];
  return lineChange(range.start.line, before.split(/\r?\n/u), after.split(/\r?\n/u));
}

function oldLines({ first, removed }: LineChange, document: vscode.TextDocument): string[] {
  return Array.from({ length: removed }, (_, at) => document.lineAt(first + at).text);
}
