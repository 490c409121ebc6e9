"""Which functions are jobs, and how they are declared; and what else the dispatcher does.

Modules that declare jobs and duties are imported early: no Django here.
"""

from tasks.registry.context import JobContext
from tasks.registry.declaration import DeclaredJob, job
from tasks.registry.duties import DuplicateDuty, Duty, duties, duty
from tasks.registry.port import EnqueuedJob, Options, connect_enqueuer
from tasks.registry.registry import DuplicateJob, JobRegistry, jobs
from tasks.registry.spec import Canceller, JobFunction, JobSpec, Key, NoteCancel, Repeat, SettleIdle

__all__ = [
    "Canceller",
    "DeclaredJob",
    "DuplicateDuty",
    "DuplicateJob",
    "Duty",
    "EnqueuedJob",
    "JobContext",
    "JobFunction",
    "JobRegistry",
    "JobSpec",
    "Key",
    "NoteCancel",
    "Options",
    "Repeat",
    "SettleIdle",
    "connect_enqueuer",
    "duties",
    "duty",
    "job",
    "jobs",
]
