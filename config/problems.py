"""The one error of the wiring: something the operator can put right."""

from django.core.exceptions import ImproperlyConfigured


class EnvironmentProblem(ImproperlyConfigured):
    """Say in one line what is wrong with the surroundings and how to cure it.

    Derives from Django's own error, so that every entry point (manage.py, Celery, an ASGI server) treats it as
    bad configuration.
    """
