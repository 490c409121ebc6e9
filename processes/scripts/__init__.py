"""The standard task scripts; importing this package registers them. One family in each module."""

from processes.scripts import (
    authority,
    callbacks,
    data,
    flow,
    instances,
    outside,
    pages,
    parallel,
    progress,
    responses,
    tables,
    topics,
    waiting,
)

__all__ = [
    "authority", "callbacks", "data", "flow", "instances", "outside", "pages", "parallel", "progress", "responses",
    "tables", "topics", "waiting",
]  # fmt: skip
