/** Line ends: a document of VS Code has one kind of them, and what comes from elsewhere may have the other. */

/** A text with the line ends that another one has. */
export function withLineEndsOf(other: string, text: string): string {
  return withLineEnds(text, other.includes("\r\n") ? "\r\n" : "\n");
}

export function withLineEnds(text: string, lineEnd: string): string {
  return text.replaceAll(/\r\n|\r|\n/g, lineEnd);
}
