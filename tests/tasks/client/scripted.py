"""A site that does what a script says, without a network: flows are carried out step by step."""

import json
from collections.abc import Iterable
from typing import Any

from tasks.client.exchange import EVENTS_TYPE, Answer, Request
from tasks.client.flow import Broken, Emit, Event, Flow, Next, Open, Send, Sleep
from tasks.client.patience import Patience

TASK_ID = "0193aaaa-0000-7000-8000-000000000000"
NODE = {"id": TASK_ID, "type": "task", "title": "Import"}

Reply = Answer | Broken


def answer(status: int, value: object = None, **headers: str) -> Answer:
    told = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status=status, headers={"content-type": "application/json", **told}, body=json.dumps(value).encode())


def problem(status: int, code: str, /, **fields: object) -> Answer:
    return answer(status, {"code": code, "message": f"told: {code}", "fields": fields})


class Stream:
    """What one connection tells before it ends, or breaks."""

    def __init__(self, messages: Iterable[object], *, breaks: bool = False) -> None:
        self.messages = [
            message if isinstance(message, Event) else Event("message", json.dumps(message)) for message in messages
        ]
        self.breaks = breaks


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def patience(self, give_up_seconds: float = 60.0) -> Patience:
        return Patience(give_up_seconds=give_up_seconds, clock=lambda: self.now, draw=lambda: 0.0)


class Site:
    """Answer requests in order; the last reply goes for all that follow."""

    def __init__(self, *replies: Answer | Broken | Stream, clock: Clock | None = None) -> None:
        self.asked: list[Request] = []
        self.emitted: list[Any] = []
        self.waited: list[float] = []
        self._replies = list(replies)
        self._clock = clock or Clock()
        self._stream: Stream | None = None

    def carry_out(self, flow: Flow[Any]) -> Any:
        """Return what a flow returns."""
        reply: Any = None
        broken: Broken | None = None
        while True:
            try:
                step = flow.send(reply) if broken is None else flow.throw(broken)
            except StopIteration as end:
                return end.value
            reply, broken = None, None
            match step:
                case Emit(value):
                    self.emitted.append(value)
                case Sleep(seconds):
                    self.waited.append(seconds)
                    self._clock.now += seconds
                case Send(request) | Open(request):
                    self.asked.append(request)
                    reply = self._next_reply()
                    if isinstance(reply, Broken):
                        broken = reply
                case Next():
                    assert self._stream is not None
                    if self._stream.messages:
                        reply = self._stream.messages.pop(0)
                    elif self._stream.breaks:
                        broken = Broken("the connection is gone")

    def _next_reply(self) -> Reply:
        found = self._replies[0] if len(self._replies) == 1 else self._replies.pop(0)
        if isinstance(found, Stream):
            self._stream = found
            return Answer(status=200, headers={"content-type": f"{EVENTS_TYPE}; charset=utf-8"})
        return found


def log(*updates: dict[str, Any]) -> list[dict[str, Any]]:
    """Return updates with their numbers, after a taskStart."""
    whole = [{"type": "taskStart", "title": "Import", "input": {"rows": 3}}, *updates]
    return [{"v": 1, "seq": seq, "taskId": TASK_ID, **update} for seq, update in enumerate(whole, start=1)]
