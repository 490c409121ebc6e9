"""The real data: the airports that the package vega_datasets brings."""

import csv
import importlib.util
from pathlib import Path

from examples.csv_import.demo.problems import DemoFailure


def find_airports() -> Path:
    """Find airports.csv without importing its package, which would load pandas."""
    spec = importlib.util.find_spec("vega_datasets")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "_data" / "airports.csv"
        if path.is_file():
            return path
    raise DemoFailure("The package vega_datasets isn't installed: run the demo with the development requirements.")


def count_rows(path: Path) -> int:
    """Count the rows below the header with nothing but the csv module."""
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.DictReader(file))
