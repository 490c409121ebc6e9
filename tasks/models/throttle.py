"""What holds jobs back: one row for each rate and each concurrency key."""

from django.db import models


class Throttle(models.Model):
    """Be what claims that share a limit lock, so that they count one after the other.

    Of a rate, `free_at` is the theoretical arrival time of the generic cell rate algorithm (tasks.domain.rate); a
    concurrency key needs only the lock.
    """

    #: `rate:` and a function's name, or `key:` and a concurrency key.
    key = models.CharField(max_length=210, primary_key=True)
    free_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.key
