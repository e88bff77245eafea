"""Weights in fewer bits than a float: one file per codec, each with its payload and its scales."""
