"""The project's settings, with the app of these tests."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.javascript.served"]
ROOT_URLCONF = "tests.javascript.served.urls"
