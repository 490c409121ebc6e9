"""What the address of a request asks for: tasks, lists and positions, written as in `tasks.live.protocol`."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from django.http import HttpRequest
from django.utils.translation import gettext as _

from tasks.domain.listing import ListFilter, ListScope
from tasks.domain.updates import UpdateType
from tasks.errors import BadRequest
from tasks.live.protocol import (
    MAX_SUBSCRIPTIONS,
    Subscribe,
    parse_filter,
    parse_scope,
    parse_since,
    parse_subscribe,
    parse_types,
)

#: What narrows a list.
_NARROWING: Final = ("function", "open", "since", "status", "text")
#: What the addresses of a task's updates, of a list, and of a stream of many tasks may ask for.
OF_UPDATES: Final = ("since", "snapshot", "types")
OF_LIST: Final = ("limit", "scope", *_NARROWING)
OF_EVENTS: Final = ("request", "scope", "snapshot", "task", "types", *_NARROWING)


def check_names(given: Iterable[str], *, known: Collection[str]) -> None:
    """Raise BadRequest for a parameter that isn't known: a misspelt wish mustn't look like one that was heard."""
    for name in given:
        if name not in known:
            told = {"name": name[:50], "names": ", ".join(sorted(known))}
            raise BadRequest(_('There is no parameter "%(name)s" here; known are %(names)s.') % told)


def requested_subscriptions(request: HttpRequest) -> list[Subscribe]:
    """Return what `?task=<id>[:<since>]&request=<id>[:<since>]&scope=<scope>` names, each as often as it likes.

    `snapshot=1` goes for those without a number, `types` for all tasks, the filters for all lists. Raises BadRequest.
    """
    types = _types_text(request)
    found = []
    for parameter, name in (("task", "taskId"), ("request", "requestId")):
        for value in request.GET.getlist(parameter):
            task_id, _, since = value.partition(":")
            message: dict[str, Any] = {name: task_id, "types": types}
            if since:
                message["since"] = number(since)
            else:
                message["snapshot"] = flag(request, "snapshot")
            found.append(parse_subscribe(message))
    found += [parse_subscribe({"scope": scope, **_filter_message(request)}) for scope in request.GET.getlist("scope")]
    if len(found) > MAX_SUBSCRIPTIONS:
        # Not 429: whoever asks for the same again is never answered otherwise.
        raise BadRequest(f"One stream follows at most {MAX_SUBSCRIPTIONS} tasks and lists: open another for the rest.")
    return found


def requested_types(request: HttpRequest) -> frozenset[UpdateType] | None:
    """Return the types of update that `?types=nodeOutput,nodeProgress` names; raises BadRequest."""
    return parse_types(_types_text(request))


def requested_filter(request: HttpRequest) -> ListFilter:
    """Return which tasks a list shall hold; raises BadRequest."""
    return parse_filter(_filter_message(request))


def requested_scope(request: HttpRequest) -> ListScope:
    """Return the one scope that is named, or the caller's own; raises BadRequest."""
    return parse_scope(request.GET.get("scope", ListScope.MINE.value))


def requested_count(request: HttpRequest, *, most: int) -> int:
    """Return how many tasks a list may hold; raises BadRequest."""
    text = request.GET.get("limit")
    if text is None:
        return most
    count = number(text)
    if count is None or not 1 <= count <= most:
        raise BadRequest(f'"limit" is a number from 1 to {most}.')
    return count


def number(text: str) -> int | None:
    """Return the position that is written in digits; raises BadRequest."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadRequest('"since" and Last-Event-ID are the number of the last update you have, from 0.')
    return parse_since(int(text))


def flag(request: HttpRequest, name: str) -> bool:
    """Tell whether a parameter says yes; raises BadRequest where it says neither yes nor no."""
    said = request.GET.get(name, "").lower()
    if said not in {"", "0", "1", "false", "true"}:
        raise BadRequest(f'"{name}" is 1 or true, or 0 or false.')
    return said in {"1", "true"}


def _types_text(request: HttpRequest) -> list[str] | None:
    given = request.GET.getlist("types")
    return [name for value in given for name in value.split(",") if name] if given else None


def _filter_message(request: HttpRequest) -> dict[str, Any]:
    message: dict[str, Any] = {
        name: [part for value in request.GET.getlist(name) for part in value.split(",") if part]
        for name in ("status", "function")
    }
    message["open"] = flag(request, "open")
    message["text"] = request.GET.get("text", "")
    message["since"] = request.GET.get("since") or None
    return message
