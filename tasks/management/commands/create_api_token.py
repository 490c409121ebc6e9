"""`manage.py create_api_token`: make a token for a program, and print it."""

from argparse import ArgumentParser
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tasks.errors import TasksError
from tasks.services.api_tokens import create_api_token


class Command(BaseCommand):
    """Print nothing but the token, so that it can be piped to where it is kept."""

    help = "Make an API token in the name of a user, and print it: it is never shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whose it is, and what it is good for."""
        parser.add_argument("user", help="the name of the user in whose name the program acts")
        parser.add_argument("--name", default="command line", help="what it is for (command line)")
        scope_help = "read, write, tasks:read, call:shop.get_order, …; several times"
        parser.add_argument("--scope", action="append", dest="scopes", help=scope_help)
        parser.add_argument("--rate", default="", help="how often it may be used, such as 600/min")
        parser.add_argument("--days", type=float, help="how many days it holds; for ever without it")

    def handle(
        self, *, user: str, name: str, scopes: list[str] | None, rate: str, days: float | None, **_: object
    ) -> None:
        """Make it."""
        model = get_user_model()
        found = model._default_manager.filter(**{model.USERNAME_FIELD: user}).first()
        if found is None:
            raise CommandError(f"There is no user {user!r}.")
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        try:
            _row, secret = create_api_token(
                user=found, name=name[:100], scopes=scopes or [], expires_at=expires_at, rate=rate
            )
        except TasksError as error:
            raise CommandError(error.message) from None
        self.stdout.write(secret)
