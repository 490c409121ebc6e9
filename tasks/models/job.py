"""A root's unit of background work."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tasks.domain.statuses import JOB_CLAIMABLE, JOB_HELD, JobStatus, shown_job_status
from tasks.models.root import TaskRoot

_CLAIMABLE = Q(status__in=sorted(status.value for status in JOB_CLAIMABLE))
_HELD = Q(status__in=sorted(status.value for status in JOB_HELD))
_WAKES = Q(status=JobStatus.WAITING.value, wake_at__isnull=False)
_UNBLOCKED = Q(blocked_by="")
_KEYED = ~Q(concurrency_key="")


class Job(models.Model):
    """Hold what must be done, when, and who is doing it. The row is the truth; a broker message is only a hint.

    A claim raises `fence` here and on the root; later writes of the claim compare it. Times are the database's. Columns
    that came later have their default in the database too: a release that doesn't know them goes on while another one
    is rolled out.
    """

    root = models.OneToOneField(TaskRoot, primary_key=True, on_delete=models.CASCADE, related_name="job")
    #: The registered function that does the work.
    function = models.CharField(max_length=200)
    arguments = models.JSONField(default=dict, blank=True)
    queue = models.CharField(max_length=100, default="default")
    #: Higher goes first.
    priority = models.SmallIntegerField(default=0)
    status = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in JobStatus], default=JobStatus.PENDING.value
    )
    #: Attempts begun so far.
    attempt = models.IntegerField(default=0)
    retry = models.JSONField(default=dict, blank=True)
    #: Claims that ended with the worker's death; not attempts, but too many of them end the job.
    losses = models.IntegerField(default=0)
    #: What the job's function has saved for its next attempt.
    saved = models.JSONField(null=True, blank=True)
    #: Of the jobs of one key, this many are worked on at once; an empty key stands for no limit.
    concurrency_key = models.CharField(max_length=200, blank=True, default="", db_default="")
    concurrency_limit = models.IntegerField(default=1, db_default=1)
    #: It was due, but something held it back: `rate:` and the function, or `key:` and the concurrency key. No claim
    #: looks at it until that is free again.
    blocked_by = models.CharField(max_length=210, blank=True, default="", db_default="")
    #: Enqueuing a function again under the same key gives this job.
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - nulls are never equal
    due_at = models.DateTimeField()
    hinted_at = models.DateTimeField(null=True, blank=True)
    #: When a waiting job goes on by itself, if it does.
    wake_at = models.DateTimeField(null=True, blank=True)
    fence = models.BigIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    #: When the present claim began, or the last one.
    claimed_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=["function", "idempotency_key"],
                name="tasks_job_idempotent",
                condition=Q(idempotency_key__isnull=False),
            ),
        )
        indexes = (
            # The claim reads the first row of this index: it depends on no statistics.
            models.Index(
                fields=["queue", "-priority", "due_at"],
                name="tasks_job_claim",
                condition=_CLAIMABLE & _UNBLOCKED,
            ),
            models.Index(fields=["due_at"], name="tasks_job_due", condition=_CLAIMABLE & _UNBLOCKED),
            models.Index(fields=["wake_at"], name="tasks_job_wake", condition=_WAKES),
            models.Index(fields=["lease_until"], name="tasks_job_lease", condition=_HELD),
            models.Index(fields=["concurrency_key"], name="tasks_job_key_held", condition=_HELD & _KEYED),
            models.Index(fields=["blocked_by", "-priority", "due_at"], name="tasks_job_blocked", condition=~_UNBLOCKED),
            models.Index(
                fields=["-finished_at"],
                name="tasks_job_dead",
                condition=Q(status=JobStatus.DEAD_LETTER.value),
            ),
        )

    def __str__(self) -> str:
        return f"{self.function} ({self.root_id})"

    @property
    def shown_status(self) -> JobStatus:
        """Return the status that clients see."""
        return shown_job_status(JobStatus(self.status), cancel_requested=self.cancel_requested_at is not None)
