"""Import what installed apps declare: their `scripts`, `roles` and `jobs` modules, or packages of these names.

A package decides itself what belongs to it: its `__init__` imports its modules.
"""

import traceback
from importlib import import_module
from pathlib import Path

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule

from processes.errors import ProcessError, RegistrationError

__all__ = ["import_modules"]


def import_modules(*names: str) -> None:
    """Import the modules of these names from every installed app that has them.

    Raises RegistrationError, naming module, file and line, where one fails.
    """
    for config in apps.get_app_configs():
        for name in names:
            if config.module is not None and module_has_submodule(config.module, name):
                _import(config, f"{config.name}.{name}")


def _import(config: AppConfig, module: str) -> None:
    try:
        import_module(module)
    except Exception as error:
        reason = error.message if isinstance(error, ProcessError) else f"{type(error).__name__}: {error}"
        raise RegistrationError(
            f"{module} can't be imported{_place(config, error)}: {reason}", fields={"module": module}
        ) from error


def _place(config: AppConfig, error: Exception) -> str:
    """Return the last line of the app itself on the way to the error."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    own = [place for place in places if Path(config.path) in Path(place[0]).parents]
    return f" ({own[-1][0]}, line {own[-1][1]})" if own else ""
