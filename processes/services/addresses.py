"""Where the pages of processes are."""

from collections.abc import Mapping

from django.urls import reverse

from processes.services.access import Caller

__all__ = ["address_of"]


def address_of(caller: Caller, *, query: Mapping[str, str] | None = None) -> str:
    """Return the path of what a caller executes, an instance or a process, with the query where one is given."""
    if caller.instance_id is not None:
        return reverse("processes:instance", kwargs={"instance_id": caller.instance_id}, query=query)
    return reverse("processes:process", kwargs={"slug": caller.slug}, query=query)
