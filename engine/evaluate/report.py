"""What an evaluation found: tables for people, and one line of JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from lacuna.engine.evaluate.bootstrap import Interval, paired
from lacuna.engine.evaluate.gaps import GapKind
from lacuna.engine.evaluate.gate_rows import figures, gate_rows
from lacuna.engine.evaluate.methods import Method
from lacuna.engine.evaluate.outcome import Outcome
from lacuna.engine.families.gap.confidence import ConfidenceModel

HEADLINE_LANGUAGE = "python"

Score = Callable[[Outcome, Method], float]


@dataclass(frozen=True)
class Report:
    outcomes: tuple[Outcome, ...]
    methods: tuple[Method, ...]
    gate: ConfidenceModel
    confidence: float  # from which a fill is shown unasked

    @property
    def headline(self) -> list[Outcome]:
        """Rests of lines: of Python where there are any, else of all languages."""
        rests = [outcome for outcome in self.outcomes if outcome.gap.kind is GapKind.REST_OF_LINE]
        return [outcome for outcome in rests if outcome.gap.file.language == HEADLINE_LANGUAGE] or rests

    def summary(self) -> dict[str, object]:
        """Percentages, and `forwards_ratio`; null for what was not evaluated.

        `gain_over_*` are the canvas' differences to a control, with intervals of 95 %: [mean, low, high].
        """
        rests = self.headline
        rows = gate_rows(self.outcomes) if Method.CANVAS in self.methods else []
        shown = figures(rows, [self.gate.confidence(row.features, row.place) for row in rows], self.confidence)
        forwards = [self._mean(rests, method, Outcome.forwards) for method in (Method.CANVAS, Method.STRICT)]
        return {
            "gaps": len(self.outcomes),
            "files": len({outcome.gap.file.name for outcome in self.outcomes}),
            "eol_gaps": len(rests),
            **{name: _percent(self._mean(rests, *asked)) for name, asked in _HEADLINES.items()},
            **{name: self._gain(rests, control) for name, control in _GAINS.items()},
            **self._ends(),
            "shown_precision": _percent(shown.precision),
            "shown_coverage": _percent(shown.coverage),
            "quiet": _percent(shown.quiet),
            "forwards_ratio": _rounded(forwards[0] / forwards[1], 3),
        }

    def show(self, console: Console) -> None:
        """Tables; the last line is the summary as JSON."""
        console.print(self._exact_table("kind", lambda outcome: outcome.gap.kind.value))
        console.print(self._exact_table("rest of line in", _language_of_rest))
        console.print(self._method_table())
        console.print(json.dumps(self.summary()), soft_wrap=True, highlight=False, markup=False)

    def _exact_table(self, title: str, group_of: Callable[[Outcome], str | None]) -> Table:
        table = Table(title="exactly right, %", title_justify="left")
        table.add_column(title)
        for name in ("gaps", *(method.value for method in self.methods)):
            table.add_column(name, justify="right")
        groups: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            group = group_of(outcome)
            if group is not None:
                groups.setdefault(group, []).append(outcome)
        for group, outcomes in sorted(groups.items(), key=lambda item: -len(item[1])):
            exact = [_cell(_percent(self._mean(outcomes, method, Outcome.exact))) for method in self.methods]
            table.add_row(group, str(len(outcomes)), *exact)
        return table

    def _method_table(self) -> Table:
        """Every method over the headline's gaps."""
        table = Table(title=f"rest of line, {len(self.headline)} gaps of the headline", title_justify="left")
        table.add_column("method")
        for name in ("exact %", "uncut exact %", "similarity %", "length right %", "forwards", "canvas gains [95 %]"):
            table.add_column(name, justify="right")
        for method in self.methods:
            gain = self._gain(self.headline, method) if method is not Method.CANVAS else None
            table.add_row(
                method.value,
                *(_cell(_percent(self._mean(self.headline, method, score))) for score in _SCORES),
                _cell(_rounded(self._mean(self.headline, method, Outcome.forwards), 1)),
                "" if gain is None else "{:+} [{:+}, {:+}]".format(*gain),
            )
        return table

    def _gain(self, outcomes: Sequence[Outcome], control: Method) -> list[float] | None:
        if not outcomes or not {Method.CANVAS, control} <= set(self.methods):
            return None
        interval: Interval = paired(
            outcomes, lambda outcome: outcome.exact(Method.CANVAS), lambda outcome: outcome.exact(control)
        )
        return [round(100 * value, 1) for value in (interval.mean, interval.low, interval.high)]

    def _mean(self, outcomes: Sequence[Outcome], method: Method, score: Score) -> float:
        """NaN where the method, or anything to take a mean of, is missing."""
        if method not in self.methods or (score in _OF_ENDS and any(method not in each.uncut for each in outcomes)):
            return math.nan
        return _average([score(outcome, method) for outcome in outcomes])

    def _ends(self) -> dict[str, float | None]:
        """Ends of holes, teacher-forced."""
        ends = [outcome.end for outcome in self.outcomes if outcome.end is not None]
        places = sum(end.places for end in ends)
        return {
            "end_found": _percent(_average([end.found for end in ends])),
            "end_false": _percent(sum(end.false for end in ends) / places if places else math.nan),
        }


def _length_right(outcome: Outcome, method: Method) -> bool:
    return outcome.length_right[method]


def _language_of_rest(outcome: Outcome) -> str | None:
    return outcome.gap.file.language if outcome.gap.kind is GapKind.REST_OF_LINE else None


_HEADLINES: dict[str, tuple[Method, Score]] = {
    "eol_exact": (Method.CANVAS, Outcome.exact),
    "eol_exact_ltr": (Method.STRICT, Outcome.exact),
    "ar_prefix_exact": (Method.PREFIX, Outcome.exact),
    "ar_judged_exact": (Method.RANKED, Outcome.exact),
    "copy_exact": (Method.COPY, Outcome.exact),
    "eol_uncut_exact": (Method.CANVAS, Outcome.uncut_exact),
    "length_right": (Method.CANVAS, _length_right),
}
_GAINS = {"gain_over_ltr": Method.STRICT, "gain_over_prefix": Method.PREFIX, "gain_over_judged": Method.RANKED}
_SCORES: tuple[Score, ...] = (Outcome.exact, Outcome.uncut_exact, Outcome.similarity, _length_right)
_OF_ENDS: tuple[Score, ...] = (Outcome.uncut_exact, _length_right)


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _percent(share: float) -> float | None:
    return _rounded(100 * share, 1)


def _rounded(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(value, digits)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
