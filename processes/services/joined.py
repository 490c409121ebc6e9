"""What an action gives once the work that it has spread has come together."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from processes.domain.joining import Standing
from processes.domain.json_values import JSON
from processes.errors import ProcessError
from processes.models import FanOut, FanOutItem
from processes.services.errors import PieceFailedError

__all__ = ["Joined", "join_of"]

_COMPLETED, _FAILED = FanOutItem.Status.COMPLETED, FanOutItem.Status.FAILED
#: Failures that a result names one by one.
NAMED_ERRORS = 20
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Hold the state and value of the action, what goes into the data, and the error that it fails with, if it does."""

    state: str
    value: JSON
    result: JSON
    error: ProcessError | None = None


def join_of(fan_out: FanOut, *, winner: str) -> Joined:
    """Return what a fan-out has come to; `winner` is the branch that has completed last of those that were needed.

    The state is that branch where one was enough, else `complete`, or `partial` where some have failed. The value is
    {"total", "completed", "failed"}; the result, where one is asked for, has `results` (of items in their order, of
    branches by name) and the first `errors` besides.
    """
    counts: dict[str, JSON] = {"total": fan_out.total, "completed": fan_out.completed, "failed": fan_out.failed}
    errors = _errors(fan_out)
    state = "partial" if fan_out.failed else "complete"
    if fan_out.needed == 1 and winner:
        state = winner
    error = _failure(fan_out, errors) if fan_out.standing == Standing.FAILED else None
    result: JSON = None
    if fan_out.into and error is None:
        result = {**counts, "results": _results(fan_out), "errors": errors}
    return Joined(state=state, value=counts, result=result, error=error)


def _results(fan_out: FanOut) -> JSON:
    rows = FanOutItem.objects.filter(fan_out=fan_out).order_by("index").values_list("name", "status", "result")
    by_name: dict[str, JSON] = {}
    in_order: list[JSON] = []
    for name, status, result in rows.iterator(chunk_size=_AT_ONCE):
        given = _given(result or {}, fan_out) if status == _COMPLETED else None
        if fan_out.item_key:
            in_order.append(given)
        else:
            by_name[name] = {"status": status, "result": given}
    return in_order if fan_out.item_key else by_name


def _given(result: Mapping[str, JSON], fan_out: FanOut) -> JSON:
    return result.get("data") if fan_out.collect else result.get("value")


def _errors(fan_out: FanOut) -> list[JSON]:
    failed = FanOutItem.objects.filter(fan_out=fan_out, status=_FAILED).order_by("index")[:NAMED_ERRORS]
    errors: list[JSON] = []
    for index, name, result in failed.values_list("index", "name", "result"):
        error = (result or {}).get("error") or {}
        named: dict[str, JSON] = {"name": name} if name else {}
        errors.append({"index": index, **named, "code": error.get("code"), "message": error.get("message")})
    return errors


def _failure(fan_out: FanOut, errors: list[JSON]) -> ProcessError:
    first = errors[0] if errors else None
    if not isinstance(first, dict):
        return PieceFailedError(_("Too few of its parts have completed."))
    which = first.get("name") or int(str(first["index"])) + 1
    return PieceFailedError(
        _("Part %(which)s has failed: %(message)s") % {"which": which, "message": first["message"]},
        fields={"total": fan_out.total, "failed": fan_out.failed, "errors": errors},
    )
