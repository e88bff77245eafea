"""Fills of gaps: from the answer file, else from the model, which then is not asked again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from lacuna.engine.api import Features, Fits, Gap, Infill, anything
from lacuna.engine.evaluate.answers import AnswerFile
from lacuna.engine.evaluate.subject import Subject
from lacuna.engine.families.gap.confidence import ConfidenceModel, Place


class Fills:
    """What a subject answers. Its confidence is that of its present confidence model, which may be fitted anew."""

    def __init__(self, subject: Subject, known: AnswerFile) -> None:
        self._filler, self._known = subject.filler, known
        self.extent = subject.filler.extent  # what the model reads of a gap's sides

    def of(self, gap: Gap, num_candidates: int, document: str = "", fits: Fits = anything) -> list[Infill]:
        """As `Filler.infill`, where `fits` says the same of a fill whenever this gap is asked about; without timings,
        and with less work where the document is that of the gap before."""
        named = key(gap, num_candidates)
        found = self._known.get(named)
        if found is None:
            infills = self._filler.infill(gap, document=document, num_candidates=num_candidates, fits=fits)
            found = [_as_json(infill) for infill in infills]
            self._known.put(named, found)
        gate = self._filler.denoiser.config.gate
        return [_from_json(value, gate, Place.of(gap)) for value in found]

    def forget(self, document: str) -> None:
        """Free what is kept of a document."""
        self._filler.close(document)


def key(gap: Gap, num_candidates: int) -> str:
    """Names a question: the same for the same text and limits, wherever it was cut."""
    fields = json.dumps([asdict(gap), num_candidates], sort_keys=True)
    return hashlib.sha256(fields.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _as_json(infill: Infill) -> dict[str, Any]:
    fields = asdict(infill)
    return {name: fields[name] for name in ("text", "steps", "forwards", "features", "pieces")}


def _from_json(value: dict[str, Any], gate: ConfidenceModel, place: Place) -> Infill:
    features = Features(**value["features"])
    pieces = tuple((text, log_probability) for text, log_probability in value["pieces"])
    return Infill(
        text=value["text"],
        confidence=gate.confidence(features, place),
        steps=value["steps"],
        forwards=value["forwards"],
        features=features,
        pieces=pieces,
    )
