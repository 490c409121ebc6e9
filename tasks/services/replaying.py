"""Doing the work of a job that has come to no good end once more."""

import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from tasks.domain.statuses import JOB_TERMINAL, JobStatus
from tasks.errors import IllegalTransition, TaskNotFound, TasksError
from tasks.models import Job, TaskRoot
from tasks.registry import Canceller, JobSpec, jobs
from tasks.services.enqueuing import enqueue
from tasks.services.reading import read_steps
from tasks.services.roots import Owner

__all__ = ["can_replay", "replay"]

#: A completed job has done its work; everything else that has ended may be done once more.
_REPLAYABLE = JOB_TERMINAL - {JobStatus.COMPLETED}


def replay(root_id: uuid.UUID, *, by: Canceller | None = None) -> Job:
    """Enqueue a new execution of a job that has failed, was set aside or cancelled, and return its job.

    What has ended stays as it is; the new one names it as its `previous`, and its log begins anew. It takes the
    arguments along, and what was saved, so that it goes on from there. A job is repeated once: to try again, repeat the
    repetition. The caller has made sure that somebody may do this; `by` says who it is, for the work's own record.

    Raises TaskNotFound where there is no such job, UnknownJob where its function isn't there any more, and
    IllegalTransition where it hasn't ended, has done its work, was repeated already, or its work can't be repeated.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update(of=("self",)).select_related("root").filter(root_id=root_id).first()
        if job is None:
            raise TaskNotFound(_("There is no such task, or you may not see it."), task_id=str(root_id))
        spec = _check(job)
        root = job.root
        fresh = enqueue(
            job.function,
            arguments=job.arguments,
            owner=Owner(user_id=root.owner_id, session_key=root.session_key),
            title=root.title,
            input=job.arguments,
            steps=read_steps(root),
            queue=job.queue,
            priority=job.priority,
            shared=root.shared,
            concurrency_key=job.concurrency_key,
            saved=job.saved,
            previous_id=root_id,
            # The key belongs to the first one, which is to be found under it.
            idempotency_key="",
        )
        if spec.repeat is not None:
            spec.repeat(root_id, fresh.root_id, by)
    return fresh


def can_replay(job: Job) -> bool:
    """Tell whether `replay` would do a job's work once more, as things stand."""
    try:
        _check(job)
    except TasksError:
        return False
    return True


def _check(job: Job) -> JobSpec:
    """Return what a job that can be replayed declares; raises what `replay` raises where it can't."""
    if JobStatus(job.status) not in _REPLAYABLE:
        raise IllegalTransition(
            _("Only what has failed, was set aside or was cancelled can be repeated."), status=job.status
        )
    if TaskRoot.objects.filter(previous_id=job.pk).exists():
        raise IllegalTransition(_("This was repeated already; look at its repetition."), status=job.status)
    spec = jobs.get(job.function)
    if spec.checkpointed and spec.repeat is None:
        raise IllegalTransition(_("This work keeps a state of its own, and can't be repeated from here."))
    return spec
