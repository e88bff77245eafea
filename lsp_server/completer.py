"""The way of a request from a position in a document to suggestions: what is known is not asked again, and the newest wins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count

from lsp_server.budget import Budget
from lsp_server.config import Config
from lsp_server.context import Context, Trigger, build_context
from lsp_server.documents import DocumentStore, Snapshot, UnknownDocument
from lsp_server.exclude import Exclusion, path_of
from lsp_server.gate import Gate
from lsp_server.newest import Newest, was_superseded
from lsp_server.recall import MAX_CLOSERS, Offer, Recall
from lsp_server.request import Item, Request, Selected
from lsp_server.snippets import Snippets
from lsp_server.statistics import Outcome, Record, Statistics
from lsp_server.suggestion import Reason, Rejected, Suggestion
from lsp_server.text import Place
from lsp_server.worker import Filled, ModelError, Worker

# After an answer, before the next gap is denoised: the answer goes out first, and a request that follows at once is not in
# its way.
IDLE_SECONDS = 0.02

# Editors take down what they show for an empty list. These say nothing about what should be shown now.
_NO_ANSWER = {Outcome.NOT_READY, Outcome.OFF, Outcome.NOT_OPEN, Outcome.OUTSIDE, Outcome.STALE, Reason.EXCLUDED}

log = logging.getLogger(__name__)
