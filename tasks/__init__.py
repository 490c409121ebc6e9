"""Task trees, jobs and live delivery: any function becomes tracked work that people watch while it runs.

Outsiders import from here, from `tasks.errors`, and, once Django is set up, from `tasks.services` and `tasks.models`.
"""

from tasks.registry import job
from tasks.tracking import current_node, output, progress, set_meta, step, subtask

__all__ = ["current_node", "job", "output", "progress", "set_meta", "step", "subtask"]
