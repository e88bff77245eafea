"""Engines that already run elsewhere: their HTTP APIs behind the interface of a filler."""
