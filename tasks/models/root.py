"""The root of a task tree, which is also the head of its log."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from tasks.domain.bounds import TITLE_CHARS
from tasks.domain.statuses import JobStatus, NodeStatus


def new_id() -> uuid.UUID:
    """Return a UUID whose order is that of creation (RFC 9562, version 7)."""
    return uuid7()


class TaskRoot(models.Model):
    """Hold a root's own state, who may see it, and the head of its log.

    `last_seq` is the number of the newest update. It is only ever changed by `UPDATE … SET last_seq = last_seq + n`
    inside the transaction that writes the n updates, as that transaction's last lock: so numbers follow the order of
    commits, and a rollback leaves no gap. `fence` rises with every claim, and the same statement compares it: a writer
    whose work was taken over changes nothing. `closed` is set by the terminal update, after which none may follow.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    title = models.CharField(max_length=TITLE_CHARS)
    status = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in NodeStatus], default=NodeStatus.CREATED.value
    )
    error = models.TextField(blank=True, default="")
    current = models.FloatField(null=True, blank=True)
    total = models.FloatField(null=True, blank=True)
    message = models.TextField(blank=True, default="")
    output = models.TextField(blank=True, default="")
    meta = models.JSONField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    #: The update that names its steps, which may be many: every checkpoint writes this row anew, so they aren't here.
    steps_seq = models.BigIntegerField(null=True, blank=True)
    step_count = models.PositiveIntegerField(default=0, db_default=0)
    #: The steps themselves, where an older release has said them last; it may do so beside this one.
    steps = models.JSONField(null=True, blank=True)

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    #: The session of an owner who is not signed in; empty for a user's.
    session_key = models.CharField(max_length=40, blank=True, default="")
    shared = models.BooleanField(default=False)
    #: It belongs to one request and its client: nobody else lists it, and it is soon forgotten.
    request_scoped = models.BooleanField(default=False, db_default=False)
    #: It is a part of its parent's work: lists hold the parent alone.
    is_part = models.BooleanField(default=False, db_default=False)
    #: The work that started this one; its cancellation reaches down to here.
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children", db_index=False
    )
    #: The ended execution that this one repeats.
    previous = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="repetitions", db_index=False
    )

    last_seq = models.BigIntegerField(default=0)
    fence = models.BigIntegerField(default=0)
    closed = models.BooleanField(default=False)
    #: Until when the writer of a root without a job is taken to be alive.
    lease_until = models.DateTimeField(null=True, blank=True)
    #: When the end of a root without a job was asked for: its writer hears of it with its next heartbeat.
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    #: Why whoever works on it is to stop, in the words of who asked.
    cancel_reason = models.TextField(blank=True, default="", db_default="")

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    purge_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ("-created_at",)
        indexes = (
            models.Index(
                fields=["lease_until"],
                name="tasks_root_lease",
                condition=models.Q(closed=False, lease_until__isnull=False),
            ),
            models.Index(fields=["purge_at"], name="tasks_root_purge", condition=models.Q(purge_at__isnull=False)),
            # Lists hold no parts, of which one task may have many thousands.
            models.Index(fields=["owner", "-created_at"], name="tasks_root_owner", condition=models.Q(is_part=False)),
            models.Index(
                fields=["session_key", "-created_at"],
                name="tasks_root_session",
                condition=models.Q(is_part=False) & ~models.Q(session_key=""),
            ),
            # What is open or has failed is little, and its owner looks for it among all that is done.
            models.Index(
                fields=["owner", "-created_at"],
                name="tasks_root_open",
                condition=models.Q(closed=False, is_part=False),
            ),
            models.Index(
                fields=["session_key", "-created_at"],
                name="tasks_root_session_open",
                condition=models.Q(closed=False, is_part=False) & ~models.Q(session_key=""),
            ),
            models.Index(
                fields=["owner", "-created_at"],
                name="tasks_root_failed",
                condition=models.Q(status=NodeStatus.FAILED.value, is_part=False),
            ),
            models.Index(
                fields=["session_key", "-created_at"],
                name="tasks_root_session_failed",
                condition=models.Q(status=NodeStatus.FAILED.value, is_part=False) & ~models.Q(session_key=""),
            ),
            models.Index(fields=["-created_at"], name="tasks_root_shared", condition=models.Q(shared=True)),
            models.Index(
                fields=["-created_at"],
                name="tasks_root_created",
                condition=models.Q(request_scoped=False, is_part=False),
            ),
            models.Index(fields=["parent"], name="tasks_root_parent", condition=models.Q(parent__isnull=False)),
            models.Index(
                fields=["parent"],
                name="tasks_root_parent_open",
                condition=models.Q(parent__isnull=False, closed=False),
            ),
            models.Index(fields=["previous"], name="tasks_root_previous", condition=models.Q(previous__isnull=False)),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def expected(self) -> int:
        """Return how many steps it has said it will take."""
        return self.step_count if self.steps is None else len(self.steps)

    @property
    def shown_status(self) -> str:
        """Return the status that clients see; read it with `job` and `celery_task`."""
        job = getattr(self, "job", None)
        if job is not None:
            return str(job.shown_status.value)
        celery_task = getattr(self, "celery_task", None)
        asked_at = self.cancel_requested_at or (celery_task.cancel_requested_at if celery_task is not None else None)
        # A tree without a job is asked to end as one with a job is.
        return JobStatus.CANCEL_REQUESTED.value if asked_at is not None and not self.closed else self.status
