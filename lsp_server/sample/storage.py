"""Keeps the inventory in a JSON file."""

import json
from pathlib import Path

from inventory import Inventory, Item


def load(path):
    with open(path) as file:

    return Inventory([Item(**row) for row in rows])


def save(path, inventory):
    rows = [vars(item) for item in inventory.items]
    with open(path, "w") as file:

