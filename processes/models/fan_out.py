"""Work that an action has spread over runs of its own."""

from django.db import models

from processes.models.run import Run


class FanOut(models.Model):
    """Hold what one action has spread over child runs, and how far they are.

    Whoever ends a child run locks this row, counts, and starts the next one.
    """

    class Losers(models.TextChoices):
        """What becomes of pieces that aren't needed any more."""

        CANCEL = "cancel"
        LEAVE = "leave"

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="fan_outs")
    #: The step that waits for it.
    ordinal = models.IntegerField()
    #: What each child begins with in its data, and what they run under.
    input = models.JSONField(default=dict)
    authority = models.JSONField(null=True)
    #: The key under which a child finds its item; empty for branches.
    item_key = models.CharField(max_length=200, blank=True, default="")
    #: The key of the parent's data that gets the results; empty where nobody asks for them.
    into = models.CharField(max_length=200, blank=True, default="")
    #: Keys of a child's data that its result is to hold.
    collect = models.JSONField(default=list)
    #: Items that one child run works off, one after the other, and child runs at once.
    batch_size = models.IntegerField(default=1)
    concurrency = models.IntegerField(default=1)
    #: None until all items are stored.
    total = models.IntegerField(null=True)
    #: None for all of them.
    needed = models.IntegerField(null=True)
    failures_allowed = models.IntegerField(null=True)
    losers = models.CharField(max_length=8, choices=Losers.choices, default=Losers.CANCEL)
    #: The run waits for it, and takes it along where it ends badly.
    awaited = models.BooleanField(default=True)
    #: The first item that no child has yet.
    next_index = models.IntegerField(default=0)
    running = models.IntegerField(default=0)
    completed = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    #: How it has ended (processes.domain.joining); empty while it goes on.
    standing = models.CharField(max_length=8, blank=True, default="")
    #: When progress was told last.
    told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["run", "ordinal"], name="processes_fan_out_step"),)

    def __str__(self) -> str:
        return f"{self.run_id}/{self.ordinal}"


class FanOutItem(models.Model):
    """Hold one item or branch, and what has come of it."""

    class Status(models.TextChoices):
        """How an item stands; one that is pending may be under way."""

        PENDING = "pending"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    pk = models.CompositePrimaryKey("fan_out", "index")
    fan_out = models.ForeignKey(FanOut, on_delete=models.CASCADE, related_name="items", db_index=False)
    index = models.IntegerField()
    #: What runs: {"plan", "entry"?, "bare"?}.
    target = models.JSONField()
    #: The item, any JSON, as a text; the name of a branch.
    item = models.TextField(blank=True, default="")
    name = models.CharField(max_length=200, blank=True, default="")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    #: {"state"?, "value"?, "data"?} or {"error"}.
    result = models.JSONField(null=True)
    #: The item that has added this one to its loop, below 0 where one of an earlier execution has (kept_pieces); None
    #: for what the action itself has spread.
    added_by = models.IntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.fan_out_id}[{self.index}]"
