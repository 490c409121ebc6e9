"""A loop over functions: what somebody would write who needs no process engine."""

from collections.abc import Callable, Sequence


class Result:
    """Hold what a function came to. As lean as Python has it: a dataclass would take longer to make."""

    __slots__ = ("error", "value")

    def __init__(self, value: object = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error


def noop(*, data: dict[str, object], config: object, state: str | None) -> None:
    """Do nothing."""


def run(functions: Sequence[Callable[..., object]], *, data: dict[str, object]) -> Result:
    """Call the functions one after the other, until one fails."""
    result = Result()
    for function in functions:
        try:
            result = Result(function(data=data, config=None, state=None))
        except Exception as error:  # noqa: BLE001 - as in an engine, whatever is raised is a result
            return Result(error=error)
    return result
