"""A small shop: the project that `lacuna demo` types into. Nothing imports it."""
