"""Do several things at once, as visitors and editors do."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections


def together(*deeds: Callable[[], Any]) -> list[Any]:
    """Do all at once, each with a connection of its own, and give what each returned or raised."""
    start = threading.Barrier(len(deeds))
    ends: list[Any] = [None] * len(deeds)

    def do(number: int) -> None:
        try:
            start.wait(10)
            ends[number] = deeds[number]()
        except Exception as error:  # noqa: BLE001 - which one it is, is the question
            ends[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=do, args=(number,)) for number in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends
