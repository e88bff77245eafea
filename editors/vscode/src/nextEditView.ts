/** Shows a next edit: what goes struck out and red, what comes green beside it, and what Tab does in grey. Whole lines
 * that come are a block, and a line shows where they come if none goes. */

import * as path from "node:path";
import * as vscode from "vscode";
import type { LineChange } from "./lineChange.ts";
import { type Block, blockOf, style } from "./newLines.ts";
import type { NextEdit, ShownChange } from "./nextEdit.ts";

const CLOSED = { rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed };
const SEAM = {
  isWholeLine: true,
  borderStyle: "solid",
  borderColor: new vscode.ThemeColor("editorGutter.addedBackground"),
};

export class NextEditView implements vscode.Disposable {
  private readonly removed = vscode.window.createTextEditorDecorationType({
    ...CLOSED,
    backgroundColor: new vscode.ThemeColor("diffEditor.removedTextBackground"),
    textDecoration: "line-through",
    overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.modifiedForeground"),
  });
  private readonly added = vscode.window.createTextEditorDecorationType({
    ...CLOSED,
    after: {
      backgroundColor: new vscode.ThemeColor("diffEditor.insertedTextBackground"),
      color: new vscode.ThemeColor("editor.foreground"),
    },
  });
  private readonly block = vscode.window.createTextEditorDecorationType({
    ...CLOSED,
    before: { color: new vscode.ThemeColor("editor.foreground") },
  });
  private readonly seamAbove = vscode.window.createTextEditorDecorationType({ ...SEAM, borderWidth: "1px 0 0 0" });
  private readonly seamBelow = vscode.window.createTextEditorDecorationType({ ...SEAM, borderWidth: "0 0 1px 0" });
  private readonly hint = vscode.window.createTextEditorDecorationType({
    ...CLOSED,
    after: { color: new vscode.ThemeColor("editorGhostText.foreground"), margin: "0 0 0 2em" },
  });

  /** Draws it in all editors of its document, and says at `active` what Tab does there. Whether it is in view there. */
  show(edit: NextEdit, active: vscode.TextEditor): boolean {
    for (const editor of vscode.window.visibleTextEditors) {
      this.draw(editor, editor.document === edit.document ? marks(edit, editor) : {});
      editor.setDecorations(this.hint, editor === active ? hint(edit, active) : []);
    }
    return edit.isInView(active);
  }

  hide(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      this.draw(editor, {});
      editor.setDecorations(this.hint, []);
    }
  }

  dispose(): void {
    const { removed, added, block, seamAbove, seamBelow, hint } = this;
    [removed, added, block, seamAbove, seamBelow, hint].forEach((decoration) => decoration.dispose());
  }

  private draw(editor: vscode.TextEditor, { removed, added, block, seamAbove, seamBelow }: Marks): void {
    editor.setDecorations(this.removed, removed ?? []);
    editor.setDecorations(this.added, added ?? []);
    editor.setDecorations(this.block, block ?? []);
    editor.setDecorations(this.seamAbove, seamAbove ?? []);
    editor.setDecorations(this.seamBelow, seamBelow ?? []);
  }
}

/** What is drawn in an editor; nothing where there is nothing said. */
interface Marks {
  readonly removed?: readonly vscode.Range[];
  readonly added?: vscode.DecorationOptions[];
  readonly block?: vscode.DecorationOptions[];
  /** The line before which, or the last one of a document behind which, lines come. */
  readonly seamAbove?: readonly vscode.Range[];
  readonly seamBelow?: readonly vscode.Range[];
}

function marks(edit: NextEdit, editor: vscode.TextEditor): Marks {
  if (edit.lines === undefined) {
    const added = edit.changes.filter(({ text }) => text !== "").map(addition);
    return { removed: edit.changes.map(({ range }) => range), added };
  }
  const { document } = editor;
  const { first, removed } = edit.lines;
  const lines = blockOf(edit.lines, surroundings(editor));
  const block = lines === undefined ? [] : [drawn(lines)];
  if (removed > 0) {
    return { removed: removedLines(edit.lines, document), block };
  }
  return first < document.lineCount
    ? { seamAbove: [document.lineAt(first).range], block }
    : { seamBelow: [document.lineAt(document.lineCount - 1).range], block };
}

/** Without their indentation. */
function removedLines({ first, removed }: LineChange, document: vscode.TextDocument): vscode.Range[] {
  return Array.from({ length: removed }, (_, at) => {
    const { range, firstNonWhitespaceCharacterIndex } = document.lineAt(first + at);
    return range.with({ start: range.start.with({ character: firstNonWhitespaceCharacterIndex }) });
  });
}

function drawn(lines: Block): vscode.DecorationOptions {
  const place = new vscode.Position(lines.row, 0);
  return {
    range: new vscode.Range(place, place),
    renderOptions: { before: { contentText: "", textDecoration: style(lines) } },
  };
}

function surroundings({ document, options, selection, visibleRanges }: vscode.TextEditor) {
  const last = document.lineCount - 1;
  return {
    tabSize: typeof options.tabSize === "number" ? options.tabSize : 4,
    cursor: selection.active.line,
    firstVisible: visibleRanges[0]?.start.line ?? 0,
    lastVisible: Math.min(visibleRanges.at(-1)?.end.line ?? last, last),
    line: (row: number) => (row <= last ? document.lineAt(row).text : ""),
  };
}

function addition({ range, text }: ShownChange): vscode.DecorationOptions {
  const after = { contentText: unbroken(text), ...(range.isEmpty ? {} : { margin: "0 0 0 0.3em" }) };
  return { range: new vscode.Range(range.end, range.end), renderOptions: { after } };
}

/** With spaces such as do not collapse. */
function unbroken(text: string): string {
  return text.replaceAll("\t", "    ").replaceAll(" ", "\u00a0");
}

/** Behind the cursor's line; none where the edit stands there: which of them came first would be chance. */
function hint(edit: NextEdit, active: vscode.TextEditor): vscode.DecorationOptions[] {
  const { end } = active.document.lineAt(active.selection.active.line).range;
  const isThere = edit.document === active.document && edit.lines === undefined;
  if (isThere && edit.changes.some(({ range }) => range.end.isEqual(end))) {
    return [];
  }
  const contentText = edit.isWithinReach(active) ? "⇥ Tab" : way(edit, active);
  return [{ range: new vscode.Range(end, end), renderOptions: { after: { contentText } } }];
}

function way(edit: NextEdit, active: vscode.TextEditor): string {
  const file = edit.document === active.document ? "" : `${path.basename(edit.document.uri.path)}, `;
  return `→ ${file}line ${edit.start.line + 1}: Tab`.replaceAll(" ", "\u00a0");
}
