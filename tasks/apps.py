"""The Django application `tasks`."""

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Configure task trees, jobs and live delivery."""

    name = "tasks"
    verbose_name = "Tasks"
    default_auto_field = "django.db.models.BigAutoField"
