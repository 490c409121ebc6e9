"""Workers of Celery with django-celery-results: as documented, and one that keeps its database connection, as we do."""

import sys

from benchmarks.peers import celery_results
from benchmarks.programs import Programs
from benchmarks.stack import start_bare_worker

#: By its queue, what a worker is. The second shows what is left without the difference that the first one makes.
WORKERS = {"usual": "equal worker", "tuned": "equal worker that keeps its database connection"}
_MIGRATE_SECONDS = 60.0


def start_results_workers(programs: Programs, *, database: str) -> None:
    """Make the tables in the database of that URL, and start both workers, which share it."""
    variables = {"DJANGO_SETTINGS_MODULE": celery_results.SETTINGS, "DATABASE_URL": database}
    migration = programs.start("migrate", [sys.executable, "-m", "django", "migrate", "-v", "0"], variables=variables)
    migration.wait_for_end(timeout_seconds=_MIGRATE_SECONDS)
    keeping = {**variables, celery_results.KEEP_VARIABLE: "1"}
    for queue, found in zip(WORKERS, (variables, keeping), strict=True):
        start_bare_worker(programs, app="benchmarks.peers.celery_results", queue=queue, variables=found)
