"""What is at work on instances at this moment, for pages that show it."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.urls import reverse

from processes.domain.json_values import JSON
from processes.models import Run
from tasks.services.overview import read_percentages

__all__ = ["Running", "running_of"]

#: So many runs of one instance are shown, the newest first.
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Hold a background run that hasn't ended."""

    id: uuid.UUID
    title: str
    status: str
    message: str
    #: 0 to 100, rounded down so that 100 means done; None where nothing is known.
    percent: int | None
    #: The page that shows it.
    url: str

    def to_json(self) -> dict[str, JSON]:
        """Return the JSON form."""
        return {
            "id": str(self.id),
            "title": self.title,
            "status": self.status,
            "message": self.message,
            "percent": self.percent,
            "url": self.url,
        }


def running_of(instance_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Running]]:
    """Return the background runs that are alive of each of these instances; parts of other runs aren't told."""
    rows = Run.objects.filter(instance__in=list(instance_ids), fan_out=None, root__closed=False)
    runs = list(
        rows.select_related("root", "root__job").only("instance_id", "root", "root__job").order_by("-created_at")
    )
    shares = read_percentages([run.root for run in runs])
    found: dict[uuid.UUID, list[Running]] = {key: [] for key in instance_ids}
    for run in runs:
        assert run.instance_id is not None
        if len(found[run.instance_id]) < _SHOWN:
            share = shares.get(run.pk)
            found[run.instance_id].append(
                Running(
                    id=run.pk,
                    title=run.root.title,
                    status=run.root.job.status if hasattr(run.root, "job") else run.root.status,
                    message=run.root.message or "",
                    percent=None if share is None else int(share),
                    url=reverse("processes:progress", kwargs={"root_id": run.pk}),
                )
            )
    return found
