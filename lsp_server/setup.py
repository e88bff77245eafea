"""What a client's suggestions are made with: what its settings say, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

from lsp_server.config import Config
from lsp_server.documents.exclude import Exclusion
from lsp_server.infill.snippets import Snippets
from lsp_server.model.worker import Worker


@dataclass(frozen=True)
class Setup:
    """Made anew when the settings change."""

    config: Config
    worker: Worker  # the client's model
    exclusion: Exclusion  # files to leave alone
    snippets: Snippets  # of other documents

    @classmethod
    def of(cls, config: Config, worker: Worker) -> Setup:
        exclusion = Exclusion(config.excluded)
        return cls(config, worker, exclusion, Snippets(exclusion))
