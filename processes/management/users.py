"""Find the user whom a command is told to act for."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError

from processes.domain.suggestions import did_you_mean
from processes.errors import NotFoundError

__all__ = ["find_user"]

_MAX_NAMES = 1_000


def find_user(name: str, *, option: str = "--user") -> AbstractBaseUser:
    """Return the active user of the name that `option` gives; raises NotFoundError, with a suggestion in its fields."""
    model = get_user_model()
    users = model._default_manager.filter(is_active=True)
    try:
        user = users.filter(**{model.USERNAME_FIELD: name}).first()
        if user is not None:
            return user
        names = [str(known) for known in users.values_list(model.USERNAME_FIELD, flat=True)[:_MAX_NAMES]]
    except (DatabaseError, ValueError) as error:
        raise NotFoundError(
            f"{option}: The database can't be asked: {error}", fields={"suggestion": 'Run "manage.py migrate" first'}
        ) from error
    raise NotFoundError(
        f'{option}: There is no active user "{name}"', fields={"suggestion": did_you_mean(name, names)}
    )  # fmt: skip
