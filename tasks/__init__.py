"""Task trees, jobs and live delivery: any function becomes tracked work that people watch while it runs.

Outsiders import from here, from `tasks.errors`, and, once Django is set up, from `tasks.services` and `tasks.models`.
"""

from tasks.domain.meta import meta_schema, register_meta
from tasks.registry import job, mutation, query
from tasks.tracking import (
    Handle,
    Task,
    check_cancelled,
    current_node,
    output,
    output_writer,
    progress,
    set_meta,
    shared_subtask,
    start_task,
    step,
    subtask,
    writer_progress,
)

__all__ = [
    "Handle",
    "Task",
    "check_cancelled",
    "current_node",
    "job",
    "meta_schema",
    "mutation",
    "output",
    "output_writer",
    "progress",
    "query",
    "register_meta",
    "set_meta",
    "shared_subtask",
    "start_task",
    "step",
    "subtask",
    "writer_progress",
]
