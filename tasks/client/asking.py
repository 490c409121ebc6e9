"""Asking once, again where that helps, and following a stream that breaks: as flows."""

from collections.abc import Callable

from tasks.client.errors import BadAnswer, ConnectionLost
from tasks.client.exchange import Answer, Request
from tasks.client.flow import Broken, Event, Flow, Next, Open, Send, Sleep
from tasks.client.patience import Patience

__all__ = ["ask", "events"]


def ask(request: Request, patience: Patience) -> Flow[Answer]:
    """Send a request until it is answered; raises what the answer says, or ConnectionLost.

    What may have arrived isn't sent again unless that does no harm.
    """
    while True:
        try:
            answer: Answer = yield Send(request)
        except Broken as broken:
            if broken.was_sent and not request.is_repeatable:
                raise ConnectionLost(f"Whether {patience.site} has done it isn't known: {broken}") from None
            yield Sleep(patience.after_break(broken))
            continue
        if 200 <= answer.status < 300:
            return answer
        yield Sleep(patience.after_answer(answer, is_repeatable=request.is_repeatable))


def events(request: Callable[[], Request], take: Callable[[Event], Flow[bool]], patience: Patience) -> Flow[None]:
    """Follow a stream, through as many connections as it takes, until `take` says that an event was the last one.

    `request` says anew for each connection from where it goes on. Raises what an answer says, or ConnectionLost.
    """
    while True:
        try:
            answer: Answer = yield Open(request())
            if answer.status == 204:
                raise BadAnswer("The site says that everything was told, but its end wasn't.", status=204)
            if not answer.is_events:
                if 200 <= answer.status < 300:
                    raise _no_stream(answer)
                yield Sleep(patience.after_answer(answer, is_repeatable=True))
                continue
            patience.connected()
            while (event := (yield Next())) is not None:
                if event.data:
                    patience.got_on()
                    if (yield from take(event)):
                        return
            broken = Broken("the stream ended before its time")
        except Broken as error:
            broken = error
        yield Sleep(patience.after_break(broken))


def _no_stream(answer: Answer) -> BadAnswer:
    return BadAnswer(
        f"The answer is {answer.content_type or 'something'} and no stream of events: is this a Stepline site?",
        status=answer.status,
    )
