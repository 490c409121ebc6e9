"""Random processes, whose every choice is drawn from a seed."""

import random
from dataclasses import dataclass
from typing import Any

__all__ = ["Process", "Writer"]


@dataclass
class Process:
    actions: list[dict[str, Any]]
    bindings: dict[str, Any]
    #: What the outside does with each callback, by the anchor's name.
    reports: dict[str, list[str]]
    #: `any` and the like: who is first, is a matter of order.
    is_racy: bool = False


class Writer:
    """Write a random process."""

    def __init__(self, draw: random.Random, scripts: dict[str, str], *, size: int = 12) -> None:
        self.draw, self.scripts, self.left = draw, scripts, size
        self.names = 0
        self.breaks = draw.choice([0.05, 0.15, 0.3])
        self.bindings: dict[str, Any] = {}
        self.reports: dict[str, list[str]] = {}
        self.is_racy = False

    def name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}{self.names}"

    def chance(self, part: float) -> bool:
        return self.draw.random() < part

    def process(self) -> Process:
        actions = self.sequence(depth=0, most=6)
        return Process(actions, self.bindings, self.reports, self.is_racy)

    def sequence(self, *, depth: int, most: int, in_item: bool = False) -> list[dict[str, Any]]:
        """Write a whole process: what follows one another, and behind that what is entered otherwise."""
        main: list[dict[str, Any]] = []
        extra: list[dict[str, Any]] = []
        for _ in range(self.draw.randint(1, most)):
            main += self.step(extra, depth=depth, in_item=in_item)
        main.append(self.note(self.name("last"), next=False))
        if self.chance(0.2):
            extra.append(self.note("@start"))
        if self.chance(0.3):
            extra.append(self.note("@end"))
        kind = self.draw.choice(["none", "none", "reset", "keep", "sub"])
        if kind == "reset":
            recovered = self.name("recovered")
            extra += [
                {"name": "@error", "script": "reset_error", "next": self.draw.choice([recovered, False, True])},
                self.note(recovered, next=False),
            ]
        elif kind == "keep":
            extra.append(self.note("@error"))
        elif kind == "sub" and depth < 2:
            binding = self.name("handle")
            self.bindings[binding] = {
                "process": [
                    self.note(self.name("look")),
                    {"name": self.name("clear"), "script": "reset_error"},
                ]
            }
            extra.append({"name": "@error", "script": binding, "next": False})
        return main + extra

    def note(self, name: str, **keys: Any) -> dict[str, Any]:
        return {"name": name, "script": self.scripts["note"], **keys}

    def undone(self, action: dict[str, Any], extra: list[dict[str, Any]], *, part: float = 0.35) -> dict[str, Any]:
        if not self.chance(part):
            return action
        undo = self.name("undo")
        action["compensate"] = undo
        kind = self.draw.choice(["note", "note", "book", "flaky", "wait", "sub", "break", "form", "each"])
        if kind == "flaky":
            extra.append({"name": undo, "script": self.scripts["flaky"], "retry": self.at_once(), "next": False})
        elif kind == "wait":
            extra.append({"name": undo, "script": "wait", "config": {"duration": "PT1H"}, "next": False})
        elif kind == "sub":
            binding = self.name("undoing")
            self.bindings[binding] = {"process": [self.note(self.name("a")), self.note(self.name("b"))]}
            extra.append({"name": undo, "script": binding, "next": False})
        elif kind == "break" and self.chance(0.3):
            extra.append({"name": undo, "script": "fail", "next": False})
        elif kind == "form":
            extra.append(self.form(undo, leads_to=undo))
        elif kind == "each":
            piece = self.name("undopiece")
            extra.append(
                {"name": undo, "script": "for_each", "config": {"items": [1, 2], "action": piece}, "next": False}
            )
            extra.append(self.note(piece, next=False))
        else:
            extra.append({"name": undo, "script": self.scripts["book" if kind == "book" else "note"], "next": False})
        return action

    @staticmethod
    def at_once(attempts: int = 3) -> dict[str, Any]:
        return {"attempts": attempts, "delay_seconds": 0}

    def form(self, name: str, *, leads_to: str) -> dict[str, Any]:
        return {
            "name": name,
            "script": "show_form",
            "config": {"action": leads_to, "fields": [{"name": "text"}]},
        }

    def step(self, extra: list[dict[str, Any]], *, depth: int, in_item: bool) -> list[dict[str, Any]]:
        kinds = ["note", "note", "book", "choose", "flaky", "once", "wait", "form", "data"]
        if self.left > 0 and depth < 3:
            kinds += ["sub", "sub", "parallel", "each", "each", "anchor", "anchor", "await"]
        if self.chance(self.breaks):
            kinds = ["break", "later", "permanent", "retried"]
        self.left -= 1
        return getattr(self, f"_{self.draw.choice(kinds)}")(extra, depth)

    def _note(self, extra: list[Any], depth: int) -> list[Any]:
        return [self.undone(self.note(self.name("note")), extra)]

    def _data(self, extra: list[Any], depth: int) -> list[Any]:
        return [
            {"name": self.name("data"), "script": "set_data", "config": {"values": {f"k{self.names % 3}": self.names}}}
        ]

    def _book(self, extra: list[Any], depth: int) -> list[Any]:
        return [self.undone({"name": self.name("book"), "script": self.scripts["book"]}, extra)]

    def _once(self, extra: list[Any], depth: int) -> list[Any]:
        return [self.undone({"name": self.name("once"), "script": self.scripts["once"]}, extra)]

    def _flaky(self, extra: list[Any], depth: int) -> list[Any]:
        script = self.scripts[self.draw.choice(["flaky", "flaky", "flakybook"])]
        return [self.undone({"name": self.name("flaky"), "script": script, "retry": self.at_once()}, extra)]

    def _later(self, extra: list[Any], depth: int) -> list[Any]:
        retry = {"attempts": 3, "delay_seconds": 300}
        return [self.undone({"name": self.name("later"), "script": self.scripts["flaky"], "retry": retry}, extra)]

    def _permanent(self, extra: list[Any], depth: int) -> list[Any]:
        return [{"name": self.name("permanent"), "script": self.scripts["permanent"], "retry": self.at_once()}]

    def _retried(self, extra: list[Any], depth: int) -> list[Any]:
        """Try a whole sub process again, which fails each time, or waits in between."""
        binding = self.name("whole")
        inner = [self.note(self.name("in")), {"name": self.name("bad"), "script": "fail"}]
        if self.chance(0.3):
            inner.insert(1, {"name": self.name("in"), "script": "wait", "config": {"duration": "PT1H"}})
        self.bindings[binding] = {"process": inner}
        return [{"name": self.name("retried"), "script": binding, "retry": self.at_once(2)}]

    def _break(self, extra: list[Any], depth: int) -> list[Any]:
        keys = {"retry": self.at_once(2)} if self.chance(0.3) else {}
        return [{"name": self.name("break"), "script": "fail", **keys}]

    def _choose(self, extra: list[Any], depth: int) -> list[Any]:
        name, other, behind = self.name("choose"), self.name("other"), self.name("behind")
        state = self.draw.choice(["a", "b", "c"])
        config = {"cases": [{"if": "1 == 1", "state": state}], "else": "z"}
        route = {"a": behind, "b": True, "*": other}
        return [
            {"name": name, "script": "choose", "config": config, "next": route},
            self.note(other),
            self.note(behind),
        ]

    def _wait(self, extra: list[Any], depth: int) -> list[Any]:
        keys = {"timeout_seconds": 600} if self.chance(0.25) else {}
        action = {"name": self.name("wait"), "script": "wait", "config": {"duration": "PT1H"}, **keys}
        return [self.undone(action, extra, part=0.15)]

    def _form(self, extra: list[Any], depth: int) -> list[Any]:
        name, skipped, after = self.name("form"), self.name("skipped"), self.name("after")
        form = self.undone(self.form(name, leads_to=after), extra, part=0.15)
        return [form, self.note(skipped), self.note(after)]

    def _sub(self, extra: list[Any], depth: int) -> list[Any]:
        binding = self.name("sub")
        outer, self.bindings = self.bindings, {}
        definition = self.sequence(depth=depth + 1, most=3)
        outer[binding] = {"process": {"definition": definition, "bindings": self.bindings}}
        self.bindings = outer
        keys: dict[str, Any] = {"timeout_seconds": 3600} if self.chance(0.15) else {}
        return [self.undone({"name": self.name("call"), "script": binding, **keys}, extra, part=0.25)]

    def entered(self, extra: list[Any], depth: int, kind: str) -> str:
        """Write actions that a branch or an item begins at, and return the first one's name."""
        first = self.name(kind)
        follow: list[dict[str, Any]] = [self.undone(self.note(first), extra, part=0.25)]
        for _ in range(self.draw.randint(0, 2)):
            follow += self.step(extra, depth=depth + 1, in_item=True)
        follow.append(self.note(self.name("done"), next=False))
        extra.extend(follow)
        return first

    def _parallel(self, extra: list[Any], depth: int) -> list[Any]:
        count = self.draw.randint(2, 3)
        branches = {f"b{number}": self.entered(extra, depth, "branch") for number in range(count)}
        join: Any = self.draw.choice(["all", "all", "all", "any", 2])
        config: dict[str, Any] = {
            "branches": branches, "join": join, "losers": self.draw.choice(["cancel", "leave"]),
            "failures": self.draw.choice(["stop", "tolerate"]), "concurrency": self.draw.choice([1, 2, 100]),
        }  # fmt: skip
        if self.chance(0.1):
            config["wait"] = False
        if join != "all" or config["failures"] == "stop" or "wait" in config:
            self.is_racy = True
        keys: dict[str, Any] = {"timeout_seconds": 3600} if self.chance(0.1) else {}
        return [
            self.undone(
                {"name": self.name("split"), "script": "run_parallel", "config": config, **keys}, extra, part=0.2
            )
        ]

    def _each(self, extra: list[Any], depth: int) -> list[Any]:
        piece = self.name("piece")
        items = [
            self.draw.choice([1, 2, 3, 4, -1, -2]) if self.chance(0.4) else n + 1
            for n in range(self.draw.randint(0, 5))
        ]
        follow: list[dict[str, Any]] = [self.undone({"name": piece, "script": self.scripts["piece"]}, extra, part=0.2)]
        for _ in range(self.draw.choice([0, 0, 1, 2])):
            follow += self.step(extra, depth=depth + 1, in_item=True)
        follow.append(self.note(self.name("done"), next=False))
        extra.extend(follow)
        failures = self.draw.choice(["stop", "tolerate", "tolerate", 1, 2])
        config: dict[str, Any] = {
            "items": items, "action": piece, "batch": self.draw.randint(1, 3),
            "concurrency": self.draw.choice([1, 2, 8]),
            "failures": failures, "collect": ["out"], "into": self.name("rows"),
        }  # fmt: skip
        if self.chance(0.08):
            config["wait"] = False
        if failures != "tolerate" or "wait" in config:
            self.is_racy = True
        keys: dict[str, Any] = {"retry": self.at_once(2)} if self.chance(0.1) else {}
        return [
            self.undone({"name": self.name("each"), "script": "for_each", "config": config, **keys}, extra, part=0.2)
        ]

    def branch(self, extra: list[Any], depth: int) -> str:
        first = self.name("report")
        follow: list[dict[str, Any]] = [self.undone(self.note(first), extra, part=0.2)]
        if self.chance(0.4):
            follow += self.step(extra, depth=depth + 1, in_item=True)
        follow.append(self.note(self.name("done"), next=False))
        extra.extend(follow)
        return first

    def _anchor(self, extra: list[Any], depth: int) -> list[Any]:
        name = self.name("anchor")
        route: dict[str, Any] = {"prepare": self.branch(extra, depth), "*": self.draw.choice([False, True])}
        for state in ("start", "progress", "complete", "error", "timeout"):
            if self.chance(0.5):
                route[state] = self.branch(extra, depth)
        if self.chance(0.3):
            del route["prepare"]
        reports = [self.draw.choice(["start"])] if self.chance(0.3) else []
        reports += ["progress"] * self.draw.randint(0, 2)
        reports.append(self.draw.choice(["complete", "complete", "error", "cancel", "timeout"]))
        self.reports[name] = reports
        config = {"callbackStoreResponse": True} if self.chance(0.2) else {}
        return [self.undone({"name": name, "script": "callback", "config": config, "next": route}, extra, part=0.2)]

    def _await(self, extra: list[Any], depth: int) -> list[Any]:
        anchor = self.name("anchor")
        self.reports[anchor] = ["progress"] * self.draw.randint(0, 1) + [self.draw.choice(["complete", "error"])]
        awaits = self.name("awaits")
        route: dict[str, Any] = {"prepare": awaits, "*": False}
        for state in ("progress", "complete"):
            if self.chance(0.4):
                route[state] = self.branch(extra, depth)
        extra += [
            {"name": awaits, "script": "callback", "config": {"callbackAction": "await"}},
            self.note(self.name("done"), next=False),
        ]
        return [self.undone({"name": anchor, "script": "callback", "next": route}, extra, part=0.2)]
