"""The standard task scripts; importing this package registers them. One family in each module."""

from processes.scripts import data, progress, responses

__all__ = ["data", "progress", "responses"]
