/** The suggestions that were last offered, and how much of one of them was taken word by word or line by line. */

import { withLineEndsOf } from "./lineEnds.ts";

/** A suggestion: `text` replaces what begins at `start`, an offset into the document. */
export interface Offer {
  readonly id: unknown;
  readonly start: number;
  readonly text: string;
}

/** `length`: UTF-16 units from the start of the offer's text that now stand in the document. */
export interface PartialAcceptance {
  readonly id: unknown;
  readonly length: number;
}

/** VS Code tells nobody of a partial acceptance, so it is told from the edits: what is inserted continues an offer, by
 * more than one key does. */
export class Offers {
  private document = "";
  private offers: readonly Offer[] = [];

  /** These are now shown in a document, and none else. */
  replace(document: string, offers: readonly Offer[]): void {
    this.document = document;
    this.offers = offers;
  }

  /** A text was inserted into a document, which reads `content()` since. */
  inserted(document: string, offset: number, text: string, content: () => string): PartialAcceptance | undefined {
    if (document !== this.document || isTyped(text)) {
      return undefined;
    }
    const whole = content();
    const end = offset + withLineEndsOf(whole, text).length;
    for (const offer of this.offers) {
      const taken = withLineEndsOf(offer.text, whole.slice(offer.start, end));
      if (taken.length > 0 && taken.length < offer.text.length && offer.text.startsWith(taken)) {
        return { id: offer.id, length: taken.length };
      }
    }
    return undefined;
  }
}

const PAIRS = new Set(["()", "[]", "{}", "<>", '""', "''", "``"]);

/** Whether one key can insert this: a character, or a bracket that the editor closes by itself. */
function isTyped(text: string): boolean {
  return Array.from(text).length < 2 || PAIRS.has(text);
}
