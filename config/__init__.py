"""How Stepline is wired: environment, settings, ASGI, Celery, root URLs and the supervisor."""
