"""A second interpreter, written from the rules alone: recursive, without plans, frames or cursors.

It knows the script `act` of `support`, as far as random definitions use it, and is compared with the real one.
"""

from dataclasses import dataclass, field
from typing import Any

LIFECYCLE = ("@start", "@end", "@default", "@unknown", "@error")
#: How `act` fails: the key of its config, and the code of the error that comes of it (None: the key's value).
FAILING = {"fail": None, "return_error": None, "crash": "script_error"}


class Failure(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.chain = [code]


class LimitReached(Exception):
    pass


@dataclass
class Reference:
    """Run processes; `error` is what `app.error` is, `log` names the actions in the order in which they begin."""

    processes: dict[str, list[dict[str, Any]]]
    limit: int
    log: list[str] = field(default_factory=list)
    error: Failure | None = None

    def run(self, name: str, entry: str | None, *, bare: bool = False) -> tuple[str | None, object]:
        """Carry out one process (bare: an invoked action, without lifecycle); give state and value, or raise."""
        actions = {action["name"]: action for action in self.processes[name]}
        lifecycle = set() if bare else LIFECYCLE & actions.keys()
        ambient, state, value = self.error, None, None
        phase, handled, handling = "main", False, Failure("")
        failure: Failure | None = None
        at: str | bool = False
        try:
            first = self._entry(actions, entry)
        except Failure as error:
            failure = error
        else:
            if first == "nothing at all":
                return None, None
            phase, at = ("start", "@start") if "@start" in lifecycle else ("main", first)
        while True:
            if failure is not None:
                if phase == "error":
                    failure.chain += handling.chain
                if phase == "error" or "@error" not in lifecycle:
                    self.error = ambient
                    raise failure
                self.error = handling = failure
                phase, at, handled, state, value, failure = "error", "@error", True, None, None, None
            if at is False:
                if phase == "end" or handled or "@end" not in lifecycle:
                    return state, value
                phase, at = "end", "@end"
            assert isinstance(at, str)
            try:
                new_state, new_value = self._act(name, actions[at], in_error=phase == "error")
            except Failure as error:
                failure = error
                if phase != "error":
                    self.error = ambient
                continue
            onward = self._next(list(actions), actions[at], new_state)
            if phase == "error":
                if self.error is not None:
                    failure, self.error = self.error, ambient
                    if failure is not handling:
                        failure.chain += handling.chain
                    raise failure
                self.error, phase, state, value = ambient, "main", new_state, None
            else:
                ambient = self.error
                if phase == "start":
                    phase, state, value = "main", new_state if onward is False else None, None
                    onward = first if self._is_true(actions[at], new_state) else onward
                elif phase == "end" and at == "@end":
                    state = state if new_state is None else new_state
                else:
                    state, value = new_state, new_value
            at = onward

    def _entry(self, actions: dict[str, Any], entry: str | None) -> str | bool:
        ordinary = [name for name in actions if name not in LIFECYCLE]
        if not entry:
            return "@default" if "@default" in actions else next(iter(ordinary), False)
        if entry.removesuffix("?") in ordinary:
            return entry.removesuffix("?")
        if entry.endswith("?"):
            return "nothing at all"
        if "@unknown" in actions:
            return "@unknown"
        raise Failure("not_found")

    def _destination(self, action: dict[str, Any], state: str | None) -> Any:
        clause = action.get("next", True)
        return clause.get(state, clause.get("*", True)) if isinstance(clause, dict) else clause

    def _is_true(self, action: dict[str, Any], state: str | None) -> bool:
        return self._destination(action, state) is True

    def _next(self, names: list[str], action: dict[str, Any], state: str | None) -> str | bool:
        to: str | bool = self._destination(action, state)
        if to is not True:
            # Naming `@end` is a way to exit.
            return False if to == "@end" else to
        if action["name"] in LIFECYCLE:
            return False
        following = names[names.index(action["name"]) + 1 :]
        return next((name for name in following if name not in LIFECYCLE), False)

    def _act(self, process: str, action: dict[str, Any], *, in_error: bool) -> tuple[str | None, object]:
        if len(self.log) >= self.limit:
            raise LimitReached
        self.log.append(f"{process}.{action['name']}")
        config = action.get("config") or {}
        if action["script"] in self.processes:
            return self.run(action["script"], config.get("action"))
        before, state, value = self.error, None, None
        for key, argument in config.items():
            if key == "state":
                state = {True: "true"}.get(argument, argument)
            elif key == "reset":
                self.error = None
            elif key == "set_error":
                self.error = Failure(argument)
            elif key == "invoke":
                state, _ = self.run(process, argument, bare=True)
            elif key in FAILING:
                raise Failure(FAILING[key] or argument)
            elif key == "value":
                value = argument
                break
        if self.error is not None and self.error is not before and not in_error:
            raise self.error
        return state, value
