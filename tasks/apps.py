"""The Django application `tasks`."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from tasks.registry import connect_enqueuer
from tasks.tracking import connect_starter


class TasksConfig(AppConfig):
    """Configure task trees, jobs and live delivery, and register the jobs of every installed app."""

    name = "tasks"
    verbose_name = _("Tasks")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import the modules `jobs` and `rpc` of each installed app, and connect what has waited for Django."""
        # What imports models may be imported only now.
        from tasks import checks  # noqa: F401, PLC0415 - it registers itself
        from tasks.services.enqueuing import aenqueue_declared, enqueue_declared  # noqa: PLC0415
        from tasks.services.revocations import connect_revocations  # noqa: PLC0415
        from tasks.services.starting import TreeStarter  # noqa: PLC0415

        connect_enqueuer(enqueue_declared, aenqueue_declared)
        connect_starter(TreeStarter())
        connect_revocations()
        autodiscover_modules("jobs", "rpc")
