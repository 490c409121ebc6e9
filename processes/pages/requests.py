"""What the pages of a process share: what they execute, and what they take of a request for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest, QueryDict
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.domain.request import Request
from processes.errors import ProcessError
from processes.models import DataNode, ProcessInstance, ProcessTemplate

__all__ = ["Executed", "kept_query", "parameters_of", "request_of"]

#: What the pages and forms say to themselves, and no process is told.
_NOT_FOR_PROCESSES = frozenset({"csrfmiddlewaretoken", "data", "form", "promise", "revision"})
#: What belongs to one step, and not to the address at which whoever made a link wanted the process to begin.
_OF_ONE_STEP = frozenset({"action", "button", "data", "form", "promise", "revision"})
#: Says, beside `form` and `data`, that the form may not have been sent yet, so that there may be no data.
NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """Hold what a page executes: an instance with its plan, or a template with the published one."""

    template: ProcessTemplate
    plan: Plan
    instance: ProcessInstance | None = None


def parameters_of(query: QueryDict) -> dict[str, JSON]:
    """Return the parameters that are meant for the process; of several of one name the last counts."""
    parameters: dict[str, JSON] = {}
    shows_form = _shows_form(query)
    for name, value in query.items():
        if name in _NOT_FOR_PROCESSES or (shows_form and name == NEW):
            continue
        if "\0" in name or "\0" in str(value):
            raise ProcessError(_("The request holds characters that can't be stored."), code="bad_request")
        parameters[name] = value
    return parameters


def kept_query(request: HttpRequest) -> QueryDict:
    """Return the parameters of the address that belong to whoever made it, and not to one step."""
    kept = request.GET.copy()
    for name in (*_OF_ONE_STEP, *([NEW] if _shows_form(kept) else [])):
        kept.pop(name, None)
    return kept


def request_of(request: HttpRequest, parameters: Mapping[str, JSON], *, node: DataNode | None) -> Request:
    """Return the request as the process sees it."""
    return Request(
        method=request.method or "GET",
        path=request.path,
        parameters=dict(parameters),
        data_reference=node.reference if node is not None else None,
        revision=node.revision if node is not None else None,
        language=get_language(),
    )


def _shows_form(query: QueryDict) -> bool:
    return "form" in query and "data" in query
