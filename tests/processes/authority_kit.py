"""Look at whose rights a process acts with: the script `TELL` notes them, in the order in which it runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.models import User

from processes.domain.application import Application
from processes.models import ProcessTemplate
from processes.registry import scripts
from processes.services.host import acting_user

TELL = "test_tell_authority"


def tell(app: Application) -> None:
    """Note `<action> <whose rights are in force>/<app.user>`."""
    assert app.action is not None
    app.data.setdefault("told", []).append(f"{app.action.name} {_name(acting_user(app))}/{_name(app.user)}")


@contextmanager
def telling() -> Iterator[str]:
    with scripts.override(TELL, tell):
        yield TELL


def own(template: ProcessTemplate, owner: User | None) -> ProcessTemplate:
    """Make `owner` the owner of a template."""
    template.owner = owner
    template.save(update_fields=["owner"])
    return template


def _name(user: User | None) -> str:
    return "-" if user is None else user.get_username()
