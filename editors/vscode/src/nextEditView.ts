/** Shows a next edit: what goes struck out and red, what comes green beside it, and what Tab does in grey. */

import * as path from "node:path";
import * as vscode from "vscode";
import type { NextEdit, ShownChange } from "./nextEdit.ts";

export class NextEditView implements vscode.Disposable {
  private readonly removed = vscode.window.createTextEditorDecorationType({
    backgroundColor: new vscode.ThemeColor("diffEditor.removedTextBackground"),
    textDecoration: "line-through",
    overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.modifiedForeground"),
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  private readonly added = vscode.window.createTextEditorDecorationType({
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
    after: {
      backgroundColor: new vscode.ThemeColor("diffEditor.insertedTextBackground"),
      color: new vscode.ThemeColor("editor.foreground"),
    },
  });
  private readonly hint = vscode.window.createTextEditorDecorationType({
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
    after: { color: new vscode.ThemeColor("editorGhostText.foreground"), margin: "0 0 0 2em" },
  });

  /** Draws it in all editors of its document, and says at `active` what Tab does there. Whether it is in view there. */
  show(edit: NextEdit, active: vscode.TextEditor): boolean {
    for (const editor of vscode.window.visibleTextEditors) {
      const changes = editor.document === edit.document ? edit.changes : [];
      editor.setDecorations(this.removed, changes.map(removal));
      editor.setDecorations(this.added, changes.filter(({ text }) => text !== "").map(addition));
      editor.setDecorations(this.hint, editor === active ? hint(edit, active) : []);
    }
    return edit.isInView(active);
  }

  hide(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      for (const decoration of [this.removed, this.added, this.hint]) {
        editor.setDecorations(decoration, []);
      }
    }
  }

  dispose(): void {
    for (const decoration of [this.removed, this.added, this.hint]) {
      decoration.dispose();
    }
  }
}

const MAX_SHOWN = 200; // characters of a change beside the text; a hover shows all of several lines

function removal({ range, text }: ShownChange): vscode.DecorationOptions {
  return text.includes("\n") ? { range, hoverMessage: wholeText(text) } : { range };
}

function addition({ range, text }: ShownChange): vscode.DecorationOptions {
  const after = { contentText: inOneLine(text), ...(range.isEmpty ? {} : { margin: "0 0 0 0.3em" }) };
  const place = new vscode.Range(range.end, range.end);
  return { range: place, renderOptions: { after }, ...(text.includes("\n") ? { hoverMessage: wholeText(text) } : {}) };
}

/** Line ends as a sign; the spaces such as do not collapse. */
function inOneLine(text: string): string {
  const line = text.replaceAll(/\r?\n/g, "⏎").replaceAll("\t", "    ").replaceAll(" ", "\u00a0");
  return line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}…` : line;
}

function wholeText(text: string): vscode.MarkdownString {
  return new vscode.MarkdownString("Lacuna's next edit:").appendCodeblock(text);
}

/** Behind the cursor's line; none where the edit stands there: which of them came first would be chance. */
function hint(edit: NextEdit, active: vscode.TextEditor): vscode.DecorationOptions[] {
  const { end } = active.document.lineAt(active.selection.active.line).range;
  if (edit.document === active.document && edit.changes.some(({ range }) => range.end.isEqual(end))) {
    return [];
  }
  const contentText = edit.isWithinReach(active) ? "⇥ Tab" : way(edit, active);
  return [{ range: new vscode.Range(end, end), renderOptions: { after: { contentText } } }];
}

function way(edit: NextEdit, active: vscode.TextEditor): string {
  const file = edit.document === active.document ? "" : `${path.basename(edit.document.uri.path)}, `;
  return `→ ${file}line ${edit.start.line + 1}: Tab`.replaceAll(" ", "\u00a0");
}
