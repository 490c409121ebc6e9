"""What an import leaves in the database."""

from typing import ClassVar

from django.conf import settings
from django.db import models


class BatchManager(models.Manager["ImportBatch"]):
    """Reach the imports."""

    def completed(self) -> models.QuerySet["ImportBatch"]:
        """Give the imports whose rows are all there."""
        return self.filter(completed_at__isnull=False)


class ImportBatch(models.Model):
    """Hold one import. Its id is that of the background run that makes it, so that the run finds it after a crash."""

    id = models.UUIDField(primary_key=True, editable=False)
    title = models.CharField(max_length=255)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    #: Empty until every row is there and counted.
    completed_at = models.DateTimeField(null=True, blank=True)
    accepted = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)

    objects: ClassVar[BatchManager] = BatchManager()

    class Meta:
        verbose_name = "import"
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.title


class CompletedRows(models.Manager["ImportedRow"]):
    """See only the rows of completed imports: nothing is ever half-imported."""

    def get_queryset(self) -> models.QuerySet["ImportedRow"]:
        """Leave out what is still being written."""
        return super().get_queryset().filter(batch__completed_at__isnull=False)


class ImportedRow(models.Model):
    """Hold one accepted row: the line of the file where it starts, and its typed values by column."""

    batch = models.ForeignKey(ImportBatch, on_delete=models.CASCADE, related_name="rows")
    line = models.PositiveIntegerField()
    values = models.JSONField()

    #: The first manager is the default one, which pages and the admin use.
    objects: ClassVar[CompletedRows] = CompletedRows()
    all_objects: ClassVar[models.Manager["ImportedRow"]] = models.Manager()

    class Meta:
        verbose_name = "imported row"
        base_manager_name = "all_objects"
        ordering = ("batch", "line")
        constraints = (models.UniqueConstraint(fields=["batch", "line"], name="csv_import_row_once"),)

    def __str__(self) -> str:
        return f"line {self.line}"
