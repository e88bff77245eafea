"""Keeps count of what is in a store room, in a JSON file."""

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Item:
    name: str
    count: int
    price: float = 0.0

    @property
    def value(self) -> float:
        return self.count * self.price


@dataclass
class Inventory:
    items: dict[str, Item] = field(default_factory=dict)

    def add(self, name: str, count: int, price: float) -> None:
        if count <= 0:
            raise ValueError("count must be positive")
        item = self.items.get(name)
        if item is None:
            self.items[name] = Item(name, count, price)
        else:
            item.count += count
            item.price = price

    def remove(self, name: str, count: int) -> None:
        item = self.items.get(name)
        if item is None:
            raise KeyError(f"no item named {name}")
        if item.count < count:
            raise ValueError(f"only {item.count} of {name} left")
        item.count -= count
        if item.count == 0:
            del self.items[name]

    def total(self) -> float:
        return sum(item.value for item in self.items.values())


def load(path: Path) -> Inventory:
    if not path.exists():
        return Inventory()
    with path.open(encoding="utf-8") as file:
        rows = json.load(file)
    return Inventory({row["name"]: Item(**row) for row in rows})


def save(inventory: Inventory, path: Path) -> None:
    rows = [{"name": item.name, "count": item.count, "price": item.price} for item in inventory.items.values()]
    with path.open("w", encoding="utf-8") as file:
        json.dump(rows, file, indent=2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--add", nargs=3, metavar=("NAME", "COUNT", "PRICE"))
    parser.add_argument("--remove", nargs=2, metavar=("NAME", "COUNT"))
    args = parser.parse_args()
    inventory = load(args.file)
    try:
        if args.add:
            name, count, price = args.add
            inventory.add(name, int(count), float(price))
        if args.remove:
            name, count = args.remove
            inventory.remove(name, int(count))
    except (KeyError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    save(inventory, args.file)
    for item in inventory.items.values():
        print(f"{item.name:20} {item.count:5} {item.value:10.2f}")
    print(f"total {inventory.total():.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
