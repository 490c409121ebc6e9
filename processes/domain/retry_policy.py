"""Read an action's retry policy, and decide by it."""

from dataclasses import dataclass, field
from typing import get_args
from zlib import crc32

from processes.domain.json_values import JSON, pointer
from processes.domain.scripts import Effect
from processes.domain.suggestions import did_you_mean
from processes.errors import Problem, ProcessError
from tasks.domain import retry
from tasks.domain.retry import Backoff

__all__ = ["RetryPolicy", "parse_retry"]

_MAX_ATTEMPTS = 1_000
_MAX_SECONDS = 30 * 24 * 3600.0
_KEYS = ("attempts", "backoff", "delay_seconds", "cap_seconds", "jitter", "errors")


@dataclass(frozen=True, kw_only=True)
class RetryPolicy(retry.RetryPolicy):
    """Say how often and how soon a failed action is tried again.

    `attempts` counts all tries; `errors` are the codes that are tried again, None for every one that isn't permanent;
    `written` is the policy as its author wrote it.
    """

    attempts: int = 3
    jitter: float = 0.0
    errors: tuple[str, ...] | None = None
    written: JSON = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, JSON]:
        """Give the policy in full, as it may stand in a definition."""
        result = super().to_json()
        if self.errors is not None:
            result["errors"] = list(self.errors)
        return result

    def delay_before_next(self, error: ProcessError, *, tries: int, effect: Effect | None, key: str) -> float | None:
        """Give the seconds to wait after the failure of try number `tries`; None where the action isn't tried again.

        After a permanent error it never is, nor is a `once` action, which may have done its work before it failed. The
        jitter is drawn from `key`, the step's idempotency key: deciding twice about one try gives the same answer.
        """
        if tries >= self.attempts or error.permanent or effect == "once":
            return None
        if self.errors is not None and error.code not in self.errors:
            return None
        return self.delay_after(tries, draw=crc32(f"{key}:{tries}".encode()) / 2**32)


def parse_retry(value: object, path: str, problems: list[Problem]) -> RetryPolicy | None:
    """Read a policy object, or a number of attempts; what is wrong is added to `problems` and gives None."""
    before, written = len(problems), value
    if isinstance(value, int) and not isinstance(value, bool):
        value, attempts_path = {"attempts": value}, path
    else:
        attempts_path = path + "/attempts"
    if not isinstance(value, dict):
        problems.append(Problem(path=path, message='"retry" must be a number of attempts or an object', value=value))
        return None
    problems.extend(
        Problem(
            path=path + pointer(key),
            message=f'Unknown key "{key}" in a retry policy',
            value=value[key],
            suggestion=did_you_mean(key, _KEYS) or f"Known keys: {', '.join(_KEYS)}",
        )
        for key in value
        if key not in _KEYS
    )
    defaults = RetryPolicy()
    attempts = value.get("attempts", defaults.attempts)
    if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= _MAX_ATTEMPTS:
        problems.append(
            Problem(path=attempts_path, message=f"Must be a whole number from 1 to {_MAX_ATTEMPTS}", value=attempts)
        )
    backoff = value.get("backoff", defaults.backoff)
    if backoff not in get_args(Backoff):
        problems.append(
            Problem(
                path=path + "/backoff",
                message="Must be fixed, linear or exponential",
                value=backoff,
                suggestion=did_you_mean(backoff, get_args(Backoff)),
            )
        )
    delay = _number(value, "delay_seconds", defaults.delay_seconds, _MAX_SECONDS, path, problems)
    cap = _number(value, "cap_seconds", defaults.cap_seconds, _MAX_SECONDS, path, problems)
    jitter = _number(value, "jitter", defaults.jitter, 1.0, path, problems)
    errors = value.get("errors")
    if errors is not None and not (isinstance(errors, list) and all(isinstance(code, str) for code in errors)):
        problems.append(Problem(path=path + "/errors", message="Must be a list of error codes", value=errors))
    if len(problems) > before:
        return None
    return RetryPolicy(
        attempts=attempts, backoff=backoff, delay_seconds=delay, cap_seconds=cap, jitter=jitter,
        errors=None if errors is None else tuple(errors), written=written,
    )  # fmt: skip


def _number(
    value: dict[str, JSON], key: str, default: float, maximum: float, path: str, problems: list[Problem]
) -> float:
    number = value.get(key, default)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= maximum:
        problems.append(
            Problem(path=path + pointer(key), message=f"Must be a number from 0 to {maximum:g}", value=number)
        )
        return default
    return float(number)
