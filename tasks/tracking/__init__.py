"""Reporting progress from anywhere: the current node travels in a context variable.

Where nothing is tracked, every call is a no-op and the work still runs. This package imports no models, so that code
may import it before Django is set up.
"""

from tasks.tracking.current import (
    UNTRACKED,
    TrackedNode,
    check_cancelled,
    current_node,
    output,
    progress,
    set_meta,
    step,
    tracking,
)
from tasks.tracking.handle import Block, Handle, Subtask, output_writer, subtask, writer_progress
from tasks.tracking.port import Starter, StartOptions, TaskOwner, Work, connect_starter
from tasks.tracking.start import Task, shared_subtask, start_task
from tasks.tracking.writers import OutputWriter, ProgressWriter

__all__ = [
    "UNTRACKED",
    "Block",
    "Handle",
    "OutputWriter",
    "ProgressWriter",
    "StartOptions",
    "Starter",
    "Subtask",
    "Task",
    "TaskOwner",
    "TrackedNode",
    "Work",
    "check_cancelled",
    "connect_starter",
    "current_node",
    "output",
    "output_writer",
    "progress",
    "set_meta",
    "shared_subtask",
    "start_task",
    "step",
    "subtask",
    "tracking",
    "writer_progress",
]
