"""Run one benchmark here, in the surroundings that were made for it."""

from benchmarks.catalogue import BENCHMARKS


def main(name: str, runs: str, size: str) -> None:
    """Print each figure as a line of JSON."""
    for figure in BENCHMARKS[name].load()(runs=int(runs), quick=size == "quick"):
        print(figure.to_line(), flush=True)
