"""How often jobs have begun lately."""

from django.db import models


class Throttle(models.Model):
    """Hold the state of one rate: claims under it lock its row, so that they count one after the other."""

    #: `rate:` and the name of a function.
    key = models.CharField(max_length=210, primary_key=True)
    #: The theoretical arrival time (tasks.domain.rate).
    free_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
