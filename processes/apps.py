"""The Django application `processes`."""

from asgiref.sync import async_to_sync
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register
from django.db.models.signals import pre_delete
from django.utils.translation import gettext_lazy as _

from processes.registry import scripts
from processes.services.discovery import import_modules
from processes.services.site import check_site


class ProcessesConfig(AppConfig):
    """Configure processes, and register the task scripts, roles and jobs of every installed app."""

    name = "processes"
    verbose_name = _("Processes")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import the `scripts`, `roles` and `jobs` modules of each installed app: what they declare is registered."""
        # Services refer to models, which are there by now.
        from processes.services.assignments import let_go  # noqa: PLC0415

        # Scripts that are coroutines run on the loop of the thread that calls them, where there is one.
        scripts.run_async = async_to_sync
        import_modules("scripts", "roles", "jobs")
        register(check_site)
        pre_delete.connect(let_go, sender=settings.AUTH_USER_MODEL, dispatch_uid="processes.let_go")
