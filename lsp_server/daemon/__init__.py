"""One process that owns the models, for all editors of a user."""
