"""Encrypt the stored secrets anew, under the first of STEPLINE_ENCRYPTION_KEYS."""

from django.core.management.base import BaseCommand, CommandError

from processes.services.connections import rotate_secrets
from processes.services.errors import SecretUnreadableError


class Command(BaseCommand):
    """Put a new key into force: once this is done the old ones can go."""

    help = "Encrypt the secrets of all connections anew, under the first of STEPLINE_ENCRYPTION_KEYS."

    def handle(self, **options: object) -> None:
        """Do all of them or none."""
        try:
            count = rotate_secrets()
        except SecretUnreadableError as error:
            raise CommandError(f"Nothing was changed. {error.message}") from error
        plural = "" if count == 1 else "s"
        self.stdout.write(f"{count} secret{plural} encrypted under the first key. Older keys are no longer needed.")
