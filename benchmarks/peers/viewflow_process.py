"""viewflow: a flow of functions that do nothing, one after the other, run from code.

It runs in the peers' environment (benchmarks.peers.answering), in a Django of its own. viewflow carries all functions
of such a flow out in the one transaction in which it starts.
"""

import json
from importlib import import_module

import django
from django.conf import settings
from django.core.management import call_command

from benchmarks.peers.tally import seconds_of


class Peer:
    """Hold a Django project that has viewflow and nothing else; `database` is one of Django's DATABASES, as JSON."""

    def __init__(self, database: str) -> None:
        settings.configure(
            DATABASES={"default": json.loads(database)},
            # Where its flows lie, viewflow asks Django's apps.
            INSTALLED_APPS=[
                "django.contrib.contenttypes", "django.contrib.auth", "viewflow", "viewflow.workflow",
                "benchmarks.peers",
            ],
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            SECRET_KEY="bench",
            USE_TZ=True,
        )  # fmt: skip
        django.setup()
        call_command("migrate", verbosity=0, interactive=False)
        # Its models can be imported only now.
        self._flows = import_module("benchmarks.peers.viewflow_flows")

    def one(self, length: int) -> float:
        """Run a flow of so many functions from its start to its end, and return the seconds."""
        flow = self._flows.flow_of(length)
        seconds, process = seconds_of(flow.start.run)
        self._flows.check(flow, process, length=length)
        return seconds

    def close(self) -> None:
        """Close the connection."""
        django.db.connections.close_all()
