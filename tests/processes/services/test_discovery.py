"""Importing what installed apps declare."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.apps import AppConfig

from processes.errors import RegistrationError
from processes.registry import scripts
from processes.services import discovery
from processes.services.discovery import import_modules

MakeApp = Callable[..., None]


@pytest.fixture
def make_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeApp]:
    """Write an app's files and make it the only installed one."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, **files: str) -> None:
        for path, content in {"__init__": "", **files}.items():
            file = tmp_path / name / f"{path.replace('__in__', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        config = AppConfig.create(name)
        monkeypatch.setattr(discovery.apps, "get_app_configs", lambda: [config])

    known = set(scripts.names())
    yield make
    for name in set(scripts.names()) - known:
        if name in scripts:
            scripts.unregister(name)
    for module in [module for module in sys.modules if module.split(".")[0].startswith("shop_of_a_test")]:
        del sys.modules[module]


SCRIPT = """
from processes.registry import task_script

@task_script("{name}")
def script(app):
    pass
"""


def test_the_scripts_module_of_an_app_is_imported(make_app: MakeApp) -> None:
    make_app("shop_of_a_test_1", scripts=SCRIPT.format(name="discovered"))
    import_modules("scripts", "jobs")
    assert "discovered" in scripts


def test_a_package_imports_its_own_modules(make_app: MakeApp) -> None:
    make_app(
        "shop_of_a_test_2",
        scripts__in____init__="from . import orders",
        scripts__in__orders=SCRIPT.format(name="in_a_package"),
        scripts__in__other=SCRIPT.format(name="not_imported"),
    )
    import_modules("scripts")
    assert "in_a_package" in scripts
    assert "not_imported" not in scripts


def test_an_app_without_scripts_is_fine(make_app: MakeApp) -> None:
    make_app("shop_of_a_test_3")
    import_modules("scripts")


@pytest.mark.parametrize(
    ("number", "code", "line", "reason"),
    [
        (4, "import json\nimport nowhere_at_all\n", 2, "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        (5, "def script(app:\n", 1, "SyntaxError: "),
        (6, "\n\n1 / 0\n", 3, "ZeroDivisionError: division by zero"),
        (7, SCRIPT.format(name="noop"), 4, 'can\'t be the script "noop": that name is already taken by processes.'),
        (8, SCRIPT.replace("app):", "):").format(name="x"), 4, "must be callable with one argument"),
    ],
)
def test_a_module_that_fails_is_named_with_its_line(
    make_app: MakeApp, tmp_path: Path, number: int, code: str, line: int, reason: str
) -> None:
    app = f"shop_of_a_test_{number}"
    make_app(app, scripts=code)
    with pytest.raises(RegistrationError) as caught:
        import_modules("scripts")
    place = f"{tmp_path}/{app}/scripts.py, line {line}"
    assert caught.value.message.startswith(f"{app}.scripts can't be imported ({place}): ")
    assert reason in caught.value.message
    assert caught.value.fields == {"module": f"{app}.scripts"}
    assert caught.value.__cause__ is not None


def test_the_line_is_that_of_the_module_inside_a_package(make_app: MakeApp, tmp_path: Path) -> None:
    make_app(
        "shop_of_a_test_9",
        scripts__in____init__="from . import orders",
        scripts__in__orders="\nimport nowhere_at_all\n",
    )
    with pytest.raises(RegistrationError, match=r"scripts/orders\.py, line 2"):
        import_modules("scripts")
