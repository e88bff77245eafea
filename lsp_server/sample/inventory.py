"""What the shop has in stock."""

from dataclasses import dataclass


@dataclass
class Item:
    name: str
    price: float
    quantity: int


class Inventory:
    def __init__(self, items):
        self.items = items

    def names(self):
        return [item.name for item in self.items]

    def prices(self):

    def total(self):
        return sum(item.price * item.quantity for item in self.items)

    def find(self, name):
        for item in self.items:

        return None
