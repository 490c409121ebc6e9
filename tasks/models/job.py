"""A root's unit of background work."""

from django.db import models
from django.db.models import Q

from tasks.domain.statuses import JOB_CLAIMABLE, JOB_HELD, JobStatus, shown_job_status
from tasks.models.root import TaskRoot

_CLAIMABLE = Q(status__in=sorted(JOB_CLAIMABLE))
_HELD = Q(status__in=sorted(JOB_HELD))


class Job(models.Model):
    """Hold what must be done, when, and who is doing it. The row is the truth; a broker message is only a hint.

    A claim raises `fence` here and on the root; later writes of the claim compare it. Times are the database's.
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
    due_at = models.DateTimeField()
    hinted_at = models.DateTimeField(null=True, blank=True)
    fence = models.BigIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = (
            # The claim reads the first row of this index: it depends on no statistics.
            models.Index(fields=["queue", "-priority", "due_at"], name="tasks_job_claim", condition=_CLAIMABLE),
            models.Index(fields=["due_at"], name="tasks_job_due", condition=_CLAIMABLE),
            models.Index(fields=["lease_until"], name="tasks_job_lease", condition=_HELD),
        )

    def __str__(self) -> str:
        return f"{self.function} ({self.root_id})"

    @property
    def shown_status(self) -> JobStatus:
        """Return the status that clients see."""
        return shown_job_status(JobStatus(self.status), cancel_requested=self.cancel_requested_at is not None)
