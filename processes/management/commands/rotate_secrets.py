"""Encrypt the stored secrets anew, under the first of STEPLINE_ENCRYPTION_KEYS."""

from django.core.management.base import BaseCommand, CommandError

from processes.services.errors import SecretUnreadableError
from processes.services.secret_rotation import rotate_all_secrets


class Command(BaseCommand):
    """Put a new key into force: once this is done the old ones can go."""

    help = "Encrypt the secrets of all connections and triggers anew, under the first of STEPLINE_ENCRYPTION_KEYS."

    def handle(self, **options: object) -> None:
        """Do all of them or none."""
        try:
            count = rotate_all_secrets()
        except SecretUnreadableError as error:
            raise CommandError(f"Nothing was changed. {error.message}") from error
        plural = "" if count == 1 else "s"
        self.stdout.write(f"{count} secret{plural} encrypted under the first key. Older keys are no longer needed.")
