"""What the pages of deeds have in common: who may, the frame, what happens when something is refused.

A page says first what the deed would do. A POST does it, and leads back to the run, or to the one that goes on.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from django.contrib import admin, messages
from django.forms import Media
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise

from processes.domain.deeds import Deed
from processes.models import Run
from processes.services.access import find_run
from processes.services.errors import NotControllableError
from tasks.errors import TaskNotFound

__all__ = ["Answer", "DeedPage", "Refusal", "RunsAdmin", "go_back", "refusal_of", "render", "run_address", "serve"]

RunsAdmin: TypeAlias = "admin.ModelAdmin[Run]"
Answer: TypeAlias = Callable[[HttpRequest, Run, RunsAdmin, "DeedPage"], HttpResponseBase]

#: What a refusal is told with.
CONFLICT: Final = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class DeedPage:
    """Describe a deed's page: its button, what it explains, and who answers."""

    deed: Deed
    button: Promise
    explanation: Promise
    answer: Answer
    #: It can't be taken back: the button says so by its colour.
    is_grave: bool = False

    @property
    def name(self) -> str:
        """Return the last part of its address."""
        return self.deed.value

    @property
    def url_name(self) -> str:
        """Return the name of its address in the admin's namespace."""
        return f"processes_run_{self.name}"

    def address(self, run_id: uuid.UUID, site: str) -> str:
        """Return where it is for a run."""
        return reverse(f"admin:{self.url_name}", args=(run_id,), current_app=site)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Say why a deed isn't possible, with the address of the run that goes on already, where that is why."""

    reason: str
    text: str
    following: str = ""
    names: list[str] = field(default_factory=list)


def serve(page: DeedPage, request: HttpRequest, run_id: uuid.UUID, model_admin: RunsAdmin) -> HttpResponseBase:
    """Answer a request for a deed; for who may not control runs there is no such run."""
    try:
        run = find_run(run_id, user=request.user)
        return page.answer(request, run, model_admin, page)
    except TaskNotFound as error:
        raise Http404(error.message) from error


def render(
    request: HttpRequest,
    run: Run,
    model_admin: RunsAdmin,
    page: DeedPage,
    *,
    template: str = "deed",
    context: Mapping[str, Any] | None = None,
    refusal: Refusal | None = None,
    media: Media | None = None,
) -> TemplateResponse:
    """Return the page in the admin's frame; a POST that was refused says 409."""
    request.current_app = model_admin.admin_site.name
    shown = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "media": model_admin.media if media is None else model_admin.media + media,
        "title": page.button,
        "subtitle": None,
        "run": run,
        "run_title": run.root.title or str(run.pk),
        "run_address": run_address(run.pk, model_admin),
        "page": page,
        "refusal": refusal,
        "is_offered": refusal is None,
        **(context or {}),
    }
    status = CONFLICT if refusal is not None and request.method == "POST" else 200
    return TemplateResponse(request, f"processes/admin/runs/{template}.html", shown, status=status)


def refusal_of(error: NotControllableError, model_admin: RunsAdmin) -> Refusal:
    """Return an error as the page shows it."""
    following = error.fields.get("next")
    return Refusal(
        reason=str(error.fields.get("reason", error.code)),
        text=error.message,
        following=run_address(uuid.UUID(str(following)), model_admin) if following else "",
        names=list(error.fields.get("names", ())),
    )


def go_back(
    request: HttpRequest, model_admin: RunsAdmin, run_id: uuid.UUID, told: str, level: int = messages.SUCCESS
) -> HttpResponseRedirect:
    """Lead to a run's page, with a message."""
    model_admin.message_user(request, told, level)
    return HttpResponseRedirect(run_address(run_id, model_admin))


def run_address(run_id: uuid.UUID, model_admin: RunsAdmin) -> str:
    """Return a run's page."""
    return reverse("admin:processes_run_change", args=(run_id,), current_app=model_admin.admin_site.name)
