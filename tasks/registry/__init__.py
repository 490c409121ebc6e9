"""Which functions are jobs, how they are declared, which ones clients call; and what else the dispatcher does.

Modules that declare jobs and duties are imported early: no Django here.
"""

from tasks.registry.access import Access, may_call
from tasks.registry.context import JobContext
from tasks.registry.declaration import DeclaredJob, job
from tasks.registry.duties import DuplicateDuty, Duty, duties, duty
from tasks.registry.functions import CallContext, DuplicateFunction, Function, functions, mutation, query
from tasks.registry.offers import Offer
from tasks.registry.port import EnqueuedJob, Options, connect_enqueuer
from tasks.registry.problems import Problem, problems
from tasks.registry.registry import DuplicateJob, JobRegistry, jobs
from tasks.registry.spec import Canceller, JobFunction, JobSpec, Key, NoteCancel, Repeat, SettleIdle

__all__ = [
    "Access",
    "CallContext",
    "Canceller",
    "DeclaredJob",
    "DuplicateDuty",
    "DuplicateFunction",
    "DuplicateJob",
    "Duty",
    "EnqueuedJob",
    "Function",
    "JobContext",
    "JobFunction",
    "JobRegistry",
    "JobSpec",
    "Key",
    "NoteCancel",
    "Offer",
    "Options",
    "Problem",
    "Repeat",
    "SettleIdle",
    "connect_enqueuer",
    "duties",
    "duty",
    "functions",
    "job",
    "jobs",
    "may_call",
    "mutation",
    "problems",
    "query",
]
