"""Which functions are jobs, and how they are declared. Modules that declare jobs are imported early: no Django here."""

from tasks.registry.context import JobContext
from tasks.registry.declaration import DeclaredJob, job
from tasks.registry.port import EnqueuedJob, Options, connect_enqueuer
from tasks.registry.registry import DuplicateJob, JobRegistry, jobs
from tasks.registry.spec import Canceller, JobFunction, JobSpec, Key, NoteCancel, Repeat, SettleIdle

__all__ = [
    "Canceller",
    "DeclaredJob",
    "DuplicateJob",
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
    "job",
    "jobs",
]
