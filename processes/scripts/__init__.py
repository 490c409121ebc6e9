"""The standard task scripts; importing this package registers them. One family in each module."""

from processes.scripts import (
    assignments,
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
    "assignments", "authority", "callbacks", "data", "flow", "instances", "outside", "pages", "parallel", "progress",
    "responses", "tables", "topics", "waiting",
]  # fmt: skip
