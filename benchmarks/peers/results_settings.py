"""A Django project that only stores its Celery tasks' results, as the documentation of django-celery-results says.

It is set up in its worker. Its database is named by DATABASE_URL and opened with our options (on SQLite with Django's
own it would fail: "database is locked").
"""

from config.settings import DATABASES, DEFAULT_AUTO_FIELD, ENVIRONMENT, SECRET_KEY, USE_TZ

__all__ = ["DATABASES", "DEFAULT_AUTO_FIELD", "SECRET_KEY", "USE_TZ"]

INSTALLED_APPS = ["django_celery_results"]

CELERY_BROKER_URL = ENVIRONMENT.broker_url
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_RESULT_BACKEND = "django-db"
