"""Stepline's tests; `python -m tests` runs all groups, `pytest` what you name."""
