"""Prints the inventory."""

import sys

from storage import load


def main():
    if len(sys.argv) != 2:
        print("usage: report.py FILE")
        return 1
    inventory = load(sys.argv[1])

    return 0


if __name__ == "__main__":

