"""Figures about Stepline, each measured beside a peer in the same run: `python -m benchmarks` (docs/benchmarks.md)."""
