"""What `manage.py check --deploy` says of the surroundings, beyond what Django asks itself."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from config.encryption import KEY_FILE, VARIABLE


@register(Tags.security, deploy=True)
def check_encryption_keys(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Warn where several hosts may share a database, and each would make an encryption key of its own."""
    environment = settings.ENVIRONMENT
    if environment.uses_sqlite or environment.encryption_keys_given:
        return []
    return [
        Warning(
            "The key that encrypts the secrets of connections was made for this host alone: no other can read them.",
            hint=f"Set {VARIABLE} to the same on every host; to keep what is encrypted already, to what "
            f"{environment.data_dir / KEY_FILE} holds.",
            id="stepline.W001",
        )
    ]
