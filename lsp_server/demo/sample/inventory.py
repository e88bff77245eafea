"""What the shop has in stock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Item:
    name: str
    price: float
    quantity: int


class Inventory:
    def __init__(self, items: list[Item]) -> None:
        self.items = items

    def names(self) -> list[str]:
        return [item.name for item in self.items]

    def prices(self) -> list[float]:
        return [item.price for item in self.items]

    def total(self) -> float:
        return sum(item.price * item.quantity for item in self.items)

    def find(self, name: str) -> Item | None:
        for item in self.items:
            if item.name == name:
                return item
        return None
