"""Edit suggestions, three products: next edits, refilled blocks, rewrites that follow an instruction."""
