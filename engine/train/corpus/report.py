"""What a build of the corpus gave, stored as corpus.json: counts by split and language, what was dropped and why."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lacuna.engine.train.corpus.sources import Source, SourceFile

NAME = "corpus.json"


@dataclass
class Amount:
    files: int = 0
    bytes: int = 0  # of UTF-8 text


@dataclass
class Report:
    """Filled in by the build as it goes, in a fixed order."""

    amounts: dict[str, dict[str, Amount]] = field(default_factory=dict)  # by split, then by language
    packages: dict[str, list[dict[str, object]]] = field(default_factory=dict)  # by split
    dropped: dict[str, int] = field(default_factory=dict)  # files, by reason
    left_out: dict[str, str] = field(default_factory=dict)  # packages, with the reason
    benchmarks: list[str] = field(default_factory=list)  # files checked against, besides the committed signatures
    overlaps: dict[str, list[str]] = field(default_factory=dict)  # paths, by the kind of overlap

    def add(self, split: str, source: Source, files: list[SourceFile]) -> None:
        by_language = self.amounts.setdefault(split, {})
        sizes = [len(file.text.encode()) for file in files]
        for file, size in zip(files, sizes, strict=True):
            amount = by_language.setdefault(file.language, Amount())
            amount.files += 1
            amount.bytes += size
        row = {**asdict(source), "files": len(files), "bytes": sum(sizes)}
        self.packages.setdefault(split, []).append(row)

    def drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def python_percent(self) -> float:
        """Python's share of the bytes."""
        amounts = [(name, amount.bytes) for split in self.amounts.values() for name, amount in split.items()]
        total = sum(size for _name, size in amounts)
        return 100 * sum(size for name, size in amounts if name == "python") / total if total else 0.0

    def summary(self) -> str:
        lines = []
        for split, by_language in self.amounts.items():
            languages = ", ".join(
                f"{name} {amount.files:,} files {amount.bytes / 1e6:.1f} MB"
                for name, amount in sorted(by_language.items(), key=lambda item: -item[1].bytes)
            )
            lines.append(f"{split}: {len(self.packages[split])} packages: {languages}")
        lines.append(f"Python: {self.python_percent():.0f} % of the bytes")
        lines.append("dropped: " + ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.dropped.items())))
        lines.append(f"files with text of a benchmark, dropped: {sum(map(len, self.overlaps.values()))}")
        lines += [f"left out: {source}: {reason}" for source, reason in self.left_out.items()]
        return "\n".join(lines)

    def write(self, directory: Path) -> None:
        text = json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False)
        (directory / NAME).write_text(text + "\n", encoding="utf-8", newline="\n")
