"""The demo: a headless editor types a small program."""
