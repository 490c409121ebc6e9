"""`manage.py dispatcher`: the process behind timers, expired leases, lost hints and purging."""

import logging
import signal
import threading
from argparse import ArgumentParser
from types import FrameType

from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from tasks.services.dispatch import tick

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Run the dispatcher; any number of them may run at once."""

    help = "Send lost hints, take over from dead workers, end stale trees and purge old ones, until told to stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the interval."""
        parser.add_argument("--interval-seconds", type=float, default=0.5, help="time between two looks (0.5)")

    def handle(self, *, interval_seconds: float, **_: object) -> None:
        """Tick until SIGTERM or SIGINT."""
        stopping = threading.Event()

        def stop(_signal: int, _frame: FrameType | None) -> None:
            stopping.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        self.stdout.write("The dispatcher is looking for work.")
        self.stdout.flush()
        while not stopping.is_set():
            try:
                done = tick()
                if done:
                    logger.info("Dispatched: %s", done)
            except DatabaseError as error:
                # The database is the truth; while it is away there is nothing to dispatch.
                logger.warning("The database did not answer: %s", error)
                connection.close()
            stopping.wait(interval_seconds)
