"""Who may answer the form of a durable run: what a config says, and how it is found out.

| `answered_by` | who may |
| --- | --- |
| (none), `"owner"` | whose run it is: a user, or the session of somebody not signed in |
| `"staff"` | all staff |
| `{"users": ["ann"], "groups": ["clerks"]}` | these users, and whoever is in these groups at the time |
| `{"data": "approver"}` | the user, or the users, whom that key of the data names (by name or by id) |

An object may say several things, `"owner": true` and `"staff": true` among them; whoever one of them lets may. Inactive
users never may. Names are looked up when the run comes to the form; whether somebody is in a group, when they come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeAlias

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Q
from pydantic import BaseModel, ConfigDict, Field, model_validator

from processes.domain.json_values import JSON
from processes.errors import PermanentError
from processes.models import RunFormAudience
from processes.services.access import User

__all__ = [
    "AnsweredBy",
    "Audience",
    "AudienceConfig",
    "audience_of",
    "find_audience",
    "is_for_others",
    "meant_by",
    "rows_of",
]

#: No more users are named one by one: a group is meant then.
MOST_USERS: Final = 500

_MAX_KEY: Final = 2**63 - 1

Name: TypeAlias = Annotated[str, Field(min_length=1)]


class AudienceConfig(BaseModel):
    """Describe who may answer a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: bool = Field(False, description="Whose run it is.")
    staff: bool = Field(False, description="All staff.")
    users: tuple[Name, ...] = Field((), description="Users, by their names.")
    groups: tuple[Name, ...] = Field((), description="Whoever is in one of these groups.")
    data: Name | None = Field(
        None,
        description="The key in data that names a user (a name, an id, or an object with `id` or `username`), or a "
        "list of them; dots lead inside.",
    )

    @model_validator(mode="after")
    def _somebody(self) -> "AudienceConfig":
        if not (self.owner or self.staff or self.users or self.groups or self.data):
            raise ValueError("say who may answer: owner, staff, users, groups or data")
        return self


AnsweredBy: TypeAlias = Literal["owner", "staff"] | AudienceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Hold who may answer a form, by ids."""

    owner: bool = False
    staff: bool = False
    users: Sequence[JSON] = field(default_factory=tuple)
    groups: Sequence[int] = field(default_factory=tuple)

    def to_json(self) -> dict[str, JSON]:
        """Return the JSON form."""
        return {"owner": self.owner, "staff": self.staff, "users": list(self.users), "groups": list(self.groups)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Audience":
        """Rebuild it."""
        return cls(
            owner=bool(value.get("owner")),
            staff=bool(value.get("staff")),
            users=tuple(value.get("users", ())),
            groups=tuple(value.get("groups", ())),
        )


def is_for_others(answered_by: AnsweredBy | None) -> bool:
    """Tell whether a form isn't, or not only, for whoever runs the process: then no page shows it to them at once."""
    said = meant_by(answered_by)
    return bool(said.staff or said.users or said.groups or said.data)


def meant_by(answered_by: AnsweredBy | None) -> AudienceConfig:
    """Return what a config says, in full."""
    if isinstance(answered_by, AudienceConfig):
        return answered_by
    return AudienceConfig.model_validate({answered_by or "owner": True})


def find_audience(config: AudienceConfig, *, data: Mapping[str, JSON], has_owner: bool) -> Audience:
    """Return who is meant; `has_owner` says that the run is somebody's.

    Raises PermanentError `form_audience` for somebody, or a group, that isn't there, and where nobody is left.
    """
    if config.owner and not has_owner and not (config.staff or config.users or config.groups or config.data):
        raise _nobody("the run is nobody's")
    names: set[str] = set(config.users)
    keys: set[str] = set()
    if config.data is not None:
        for is_key, one in _named_in(data, config.data):
            (keys if is_key else names).add(one)
    if len(names) + len(keys) > MOST_USERS:
        raise _nobody(f"more than {MOST_USERS} users are named: name a group")
    return Audience(
        owner=config.owner,
        staff=config.staff,
        users=_users(names, keys),
        groups=_groups(set(config.groups)),
    )


def audience_of(user: User | None, *, session_key: str = "") -> list[Q]:
    """Return the filters for the rows of RunFormAudience that let somebody answer, one for each kind of rule."""
    rules = [Q(session_key=session_key, user=None, group=None, is_staff=False)] if session_key else []
    if user is None or not user.is_authenticated or not user.is_active:
        return rules or [Q(pk__in=())]
    rules.append(Q(user_id=user.pk))
    groups = getattr(user, "groups", None)
    if groups is not None:
        rules.append(Q(group__in=groups.order_by().values("pk")))
    if getattr(user, "is_staff", False):
        rules.append(Q(is_staff=True))
    return rules


def rows_of(audience: Audience, *, form_id: int, owner_id: int | str | None, session_key: str) -> list[RunFormAudience]:
    """Return the rows for a form, not stored yet; the owner is a user or, without an id, a session."""
    users = list(audience.users)
    rows = [RunFormAudience(form_id=form_id, group_id=group) for group in audience.groups]
    if audience.staff:
        rows.append(RunFormAudience(form_id=form_id, is_staff=True))
    if audience.owner and owner_id is not None and str(owner_id) not in map(str, users):
        users.append(owner_id)
    elif audience.owner and owner_id is None and session_key:
        rows.append(RunFormAudience(form_id=form_id, session_key=session_key))
    return rows + [RunFormAudience(form_id=form_id, user_id=user) for user in users]


def _named_in(data: Mapping[str, JSON], place: str) -> list[tuple[bool, str]]:
    """Return who is named: whether by key, and the key or the name."""
    value: Any = data
    for key in place.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    found: list[tuple[bool, str]] = []
    for item in value if isinstance(value, list) else [value]:
        one, is_described = item, False
        if isinstance(item, Mapping):
            is_described = item.get("id") is not None
            one = item["id"] if is_described else item.get("username")
        is_key = isinstance(one, int) and not isinstance(one, bool) and abs(one) <= _MAX_KEY
        if not is_key and not (isinstance(one, str) and one):
            raise _nobody(f"data.{place} names no user: it takes a name, an id, or a list of them")
        found.append((is_key or is_described, str(one)))
    if not found:
        raise _nobody(f"data.{place} is an empty list: nobody could answer")
    return found


def _users(names: set[str], keys: set[str]) -> list[JSON]:
    if not (names or keys):
        return []
    model = get_user_model()
    known = [key for key in keys if _is_key(key)]
    rows = model._default_manager.filter(Q(**{f"{model.USERNAME_FIELD}__in": names}) | Q(pk__in=known))
    found = {user.pk: user.get_username() for user in rows}
    missing = sorted(names - set(found.values())) + sorted(keys - {str(pk) for pk in found})
    if missing:
        raise _nobody(f'there is no user "{missing[0]}"')
    return [key if isinstance(key, int | str) else str(key) for key in sorted(found)]


def _is_key(text: str) -> bool:
    """Tell whether a text may be the key of a user: a user described in data may be anything."""
    try:
        key = get_user_model()._meta.pk.to_python(text)
    except ValidationError:
        return False
    return "\0" not in text and not (isinstance(key, int) and abs(key) > _MAX_KEY)


def _groups(names: set[str]) -> list[int]:
    if not names:
        return []
    found = dict(Group.objects.filter(name__in=names).values_list("name", "pk"))
    if missing := sorted(names - found.keys()):
        raise _nobody(f'there is no group "{missing[0]}"')
    return sorted(found.values())


def _nobody(what: str) -> PermanentError:
    return PermanentError(f'Who may answer the form can\'t be found ("answered_by"): {what}.', code="form_audience")
