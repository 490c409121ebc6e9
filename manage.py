#!/usr/bin/env python
"""Run Stepline's management commands."""

import os
import sys

from django.core.management import execute_from_command_line

from config.environment import EnvironmentProblem, load_environment
from config.management.commands import up


def main() -> None:
    """Check the environment first, so that a bad variable is one line and not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        load_environment()
    except EnvironmentProblem as problem:
        sys.exit(f"stepline: {problem}")
    if sys.argv[1:2] == ["up"]:
        # The supervisor needs the settings and no app: loading them all would cost it half a second and 60 MB.
        up.Command().run_from_argv(sys.argv)
    else:
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
