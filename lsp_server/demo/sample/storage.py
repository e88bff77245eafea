"""Keeps the inventory in a JSON file."""

from __future__ import annotations

import json
from pathlib import Path

from .inventory import Inventory, Item


def load(path: Path) -> Inventory:
    with open(path) as file:
        rows = json.load(file)
    return Inventory([Item(**row) for row in rows])


def save(path: Path, inventory: Inventory) -> None:
    rows = [vars(item) for item in inventory.items]
    with open(path, "w") as file:
        json.dump(rows, file)
