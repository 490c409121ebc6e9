"""The Django application `processes`."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ProcessesConfig(AppConfig):
    """Configure processes, and register the task scripts and jobs of every installed app."""

    name = "processes"
    verbose_name = "Processes"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import the `scripts` and `jobs` modules of each installed app, so that what they declare is registered."""
        autodiscover_modules("scripts", "jobs")
