"""The model that clients share: its engine thread and its lifecycle."""
