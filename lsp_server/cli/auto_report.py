"""What `lacuna doctor` says of the model "auto": which one it is, why no better one, and what a pull would bring."""

from __future__ import annotations

from dataclasses import dataclass

from lacuna.lsp_server.model.auto import AutoChoice, Offer, PassedOver, offers


@dataclass(frozen=True)
class AutoReport:
    model: str
    why: str
    passed_over: tuple[PassedOver, ...]  # better ones, the best first
    offers: tuple[Offer, ...]  # those of them that could be pulled

    @classmethod
    def of(cls, choice: AutoChoice) -> AutoReport:
        return cls(choice.model, choice.why, choice.passed_over, offers(choice))

    def lines(self) -> list[tuple[str, str]]:
        """Labels and texts, for people."""
        return [
            ("auto", f"{self.model}: {self.why}"),
            *(("passed over", f"{other.model}: {other.reason}") for other in self.passed_over),
            *(("could be pulled", _in_words(offer)) for offer in self.offers),
        ]


def _in_words(offer: Offer) -> str:
    fetched, disk = f"{offer.fetched_bytes / 1e6:,.0f} MB", f"{offer.disk_bytes / 1e9:.1f} GB"
    return (
        f"`lacuna pull {offer.model}` would bring a better model: it fetches {fetched} and takes up to {disk} of disk; "
        "whether it is fast enough here is measured when it is first loaded"
    )
