"""Why a model was not pulled."""

from __future__ import annotations


class PullError(Exception):
    """A model could not be fetched; the message says what happened and what to do."""


class PullStopped(PullError):
    """The pull was stopped by whoever began it."""
