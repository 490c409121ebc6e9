"""Bring the database up to date before the services start."""

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

#: Run in this order after the migrations; each is quick when there is nothing to do.
COMMANDS = ("load_examples", "local_account")


class Command(BaseCommand):
    """Migrate, load the examples, create the local account: one process for all, since each costs a start of Django."""

    help = (
        "Migrate, load the examples and create the local account, as far as needed. `up` runs it before all services."
    )

    def handle(self, *args: object, **options: object) -> None:
        """Do what is left to do."""
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        open_migrations = executor.migration_plan(executor.loader.graph.leaf_nodes())
        # `migrate` looks through all content types and permissions even when nothing is open.
        if open_migrations:
            self.stdout.write(f"applying {len(open_migrations)} migrations")
            call_command("migrate", interactive=False, verbosity=0)
        for name in COMMANDS:
            call_command(name)
        self.stdout.write("the database is up to date")
