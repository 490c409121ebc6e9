"""What an API token is good for, as a list of scopes.

| scope | allows |
| --- | --- |
| `read` | whatever only looks: GET and HEAD, following tasks, and calls of queries |
| `write` | everything that its user may |
| `tasks:read`, `instances:write`, … | the same, below one part of the API: what follows `/api/` in its addresses |
| `call:shop.get_order` | calls of this one function |

A token never allows more than its user may.
"""

from collections.abc import Collection, Sequence

from tasks.domain.calls import CallKind
from tasks.errors import BadRequest

__all__ = ["MOST_SCOPES", "allows_address", "allows_call", "check_scopes"]

READ, WRITE, CALL, RPC = "read", "write", "call", "rpc"
MOST_SCOPES = 50
_MOST_CHARS = 210
#: Addresses at which tasks are followed, and which change nothing, whatever their method.
_FOLLOWING = frozenset({"events", "subscribe-job", "unsubscribe-job"})


def check_scopes(scopes: Sequence[object]) -> list[str]:
    """Return the scopes, each once and in order; raises BadRequest, which names the one that says nothing."""
    if not scopes:
        raise BadRequest("A token without a scope is good for nothing: give it one, such as read.")
    if len(scopes) > MOST_SCOPES:
        raise BadRequest(f"A token has at most {MOST_SCOPES} scopes.")
    for scope in scopes:
        if not isinstance(scope, str) or not _says_something(scope):
            shown = str(scope)[:_MOST_CHARS]
            raise BadRequest(
                f'"{shown}" is no scope: it is read, write, a part of the API with one of them (tasks:read), '
                "or call: with the name of a function."
            )
    return list(dict.fromkeys(str(scope) for scope in scopes))


def allows_address(scopes: Collection[str], area: str, *, is_safe: bool) -> bool:
    """Tell whether a request to a part of the API may be looked at.

    `area` is the first part of its address behind `/api/`. Of calls it is decided here whether any may be made; which
    ones is for `allows_call`.
    """
    if area == RPC:
        return any(scope.partition(":")[0] in (READ, WRITE, RPC, CALL) for scope in scopes)
    if area in _FOLLOWING:
        area, is_safe = "tasks", True
    return _allows(scopes, area, is_safe=is_safe)


def allows_call(scopes: Collection[str], name: str, kind: CallKind) -> bool:
    """Tell whether a function may be called."""
    return f"{CALL}:{name}" in scopes or _allows(scopes, RPC, is_safe=kind is CallKind.QUERY)


def _allows(scopes: Collection[str], area: str, *, is_safe: bool) -> bool:
    enough = {WRITE, f"{area}:{WRITE}"}
    if is_safe:
        enough |= {READ, f"{area}:{READ}"}
    return not enough.isdisjoint(scopes)


def _says_something(scope: str) -> bool:
    if scope in (READ, WRITE):
        return True
    head, _, tail = scope.partition(":")
    if len(scope) > _MOST_CHARS or not tail.isprintable() or " " in scope:
        return False
    if head == CALL:
        return bool(tail)
    return tail in (READ, WRITE) and head.replace("-", "").isalnum()
