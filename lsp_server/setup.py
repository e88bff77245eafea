"""What a client's suggestions are made with: its settings, its model, what is left alone, snippets."""

from __future__ import annotations

from dataclasses import dataclass

from lacuna.lsp_server.config import Config
from lacuna.lsp_server.documents.exclude import Exclusion
from lacuna.lsp_server.infill.snippets import Snippets
from lacuna.lsp_server.model.worker import Worker


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
