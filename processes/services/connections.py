"""Named connections to other systems: create, edit, delete them; find them for what is to be sent.

Templates bind a connection by its name (`{"credential": NAME}`). A secret goes in and is never shown again; whoever
changes where it is sent must enter it anew.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group
from django.db import transaction
from django.db.models import Q

from processes.domain.connections import HttpSettings, Settings, SmtpSettings, parse_settings, secret_problem, target_of
from processes.domain.json_values import JSON
from processes.domain.suggestions import did_you_mean
from processes.domain.targets import CredentialCheck
from processes.errors import DefinitionError, NotFoundError, Problem
from processes.models import Binding, Connection, ProcessTemplate
from processes.services.audit import SYSTEM, Actor, record
from processes.services.errors import BindingRefusedError, ConnectionInUseError, ConnectionMissingError
from processes.services.secrets import Secret, decrypt, encrypt, reencrypt

__all__ = [
    "KEEP",
    "Linked",
    "bindable_by",
    "check_may_bind",
    "check_settings",
    "credential_names",
    "delete_connection",
    "find_http",
    "find_smtp",
    "inline_bases",
    "known_connections",
    "rotate_secrets",
    "save_connection",
    "used_by",
]

#: Leaves the secret as it is.
KEEP: Final = None
#: What the audit log compares.
_FIELDS = ("kind", "description", "settings", "everyone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Hold a connection that is about to be used: its settings, and its secret, if it has one."""

    name: str
    settings: Settings
    secret: Secret | None


@transaction.atomic
def save_connection(
    *, connection: Connection, secret: str | None = KEEP, groups: Iterable[Group] | None = None, actor: Actor
) -> Connection:
    """Save a new or changed connection, with a new secret (text), without one (an empty text), or with its old one.

    `groups` are those whose editors may bind it; they stay where None is given. Raises DefinitionError with every
    problem: settings that aren't right, a secret that can't be sent, and a kept secret that would go to somebody else.
    """
    before = None if connection._state.adding else Connection.objects.select_for_update().get(pk=connection.pk)
    connection.settings = check_settings(
        connection=before, kind=connection.kind, settings=connection.settings, secret=secret
    )
    if before is not None and before.name != connection.name:
        raise DefinitionError([Problem("/name", "The name of a connection stays: templates bind it by its name")])
    if secret is not KEEP:
        connection.secret = encrypt(secret) if secret else ""
    elif before is not None:
        connection.secret = before.secret
    connection.save()
    regrouped = _set_groups(connection, groups)
    if before is None:
        record("connection.created", actor=actor, subject=connection)
    elif changed := _changed(before, connection) + regrouped:
        record("connection.edited", actor=actor, subject=connection, details={"changed": changed})
    return connection


def check_settings(
    *, connection: Connection | None, kind: str, settings: Mapping[str, JSON], secret: str | None = KEEP
) -> dict[str, JSON]:
    """Return the settings in full, once they and the secret are right for each other; None is a new connection.

    Raises DefinitionError with every problem: at `/settings/…`, or at `/secret`.
    """
    parsed = parse_settings(kind, dict(settings))
    before = None if connection is None else Connection.objects.get(pk=connection.pk)
    if problems := _secret_problems(before, kind, parsed, secret):
        raise DefinitionError(problems)
    return parsed.model_dump(mode="json")


@transaction.atomic
def delete_connection(*, connection: Connection, actor: Actor) -> None:
    """Delete a connection; raises ConnectionInUseError where a template binds it."""
    templates = used_by(connection.name)
    if templates:
        raise ConnectionInUseError(
            f'"{connection.name}" can\'t be deleted: {", ".join(templates)} binds it. Bind something else there and '
            "publish, then delete it.",
            fields={"templates": templates},
        )
    record("connection.deleted", actor=actor, subject=connection)
    connection.delete()


@transaction.atomic
def rotate_secrets(*, actor: Actor = SYSTEM) -> int:
    """Encrypt every secret anew, under the first key, and return how many there are; all or none.

    Raises SecretUnreadableError, naming the connection, where no key fits.
    """
    rows = list(Connection.objects.select_for_update().exclude(secret="").order_by("pk"))
    for connection in rows:
        ciphertext = reencrypt(connection.secret, name=connection.name)
        Connection.objects.filter(pk=connection.pk).update(secret=ciphertext)
        record("connection.rotated", actor=actor, subject=connection)
    return len(rows)


def used_by(name: str) -> list[str]:
    """Return the slugs of the templates whose draft or publication binds a connection."""
    rows = Binding.objects.values_list("template__slug", "reference", "target")
    drafts = (slug for slug, reference, target in rows if name in credential_names({reference: target}))
    published = ProcessTemplate.objects.exclude(published_source=None).values_list("slug", "published_source")
    return sorted(
        {*drafts, *(slug for slug, source in published if source and name in credential_names(source["bindings"]))}
    )


def known_connections() -> CredentialCheck:
    """Return what a derivation asks for each credential; the names are read when it asks first."""
    names: list[str] | None = None

    def check(name: str) -> None:
        nonlocal names
        if names is None:
            names = list(Connection.objects.values_list("name", flat=True))
        if name not in names:
            raise NotFoundError(
                f'There is no connection "{name}"',
                fields={"suggestion": did_you_mean(name, names) or "Create it in the admin, under Connections"},
            )

    return check


def bindable_by(user: AbstractBaseUser | AnonymousUser) -> list[str]:
    """Return the names of the connections that an editor may bind, sorted."""
    rows = Connection.objects.order_by("name")
    if not getattr(user, "is_superuser", False):
        # `everyone` means every editor: who may edit at all has been decided where they edit.
        # Nobody's key is null, and so is the user of a connection without groups.
        in_groups = Q(pk__in=()) if user.pk is None else Q(groups__user=user.pk)
        rows = rows.filter(Q(everyone=True) | in_groups)
    return list(dict.fromkeys(rows.values_list("name", flat=True)))


def check_may_bind(
    user: AbstractBaseUser | AnonymousUser, names: Iterable[str], *, already: Collection[str] = ()
) -> None:
    """Refuse an editor who may not bind some of these connections; unknown ones are the derivation's matter.

    `already` are those that the stored draft binds: whoever may edit a template goes on using what it has. Raises
    BindingRefusedError.
    """
    asked = set(names) - set(already)
    if not asked:
        return
    known = set(Connection.objects.filter(name__in=asked).values_list("name", flat=True))
    refused = sorted(known - set(bindable_by(user)))
    if refused:
        plural = "s" if len(refused) > 1 else ""
        raise BindingRefusedError(
            f"You may not bind the connection{plural} {', '.join(refused)}. Ask somebody who may, or an administrator "
            "to let one of your groups bind it.",
            fields={"connections": refused},
        )


def credential_names(bindings: Mapping[str, JSON]) -> set[str]:
    """Return the connections that bindings name, those of inline processes, and of their inline bases, among them."""
    targets = [target for layer in (bindings, *_inline_bindings(bindings)) for target in layer.values()]
    names = (target.get("credential") for target in targets if isinstance(target, dict))
    return {name for name in names if isinstance(name, str)}


def inline_bases(bindings: Mapping[str, JSON]) -> set[str]:
    """Return the templates that inline processes in some bindings extend: what those bind is theirs to use."""
    return {base for document in _inline_documents(bindings) for base in _bases_of(document) if isinstance(base, str)}


def _inline_bindings(bindings: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    found = (document.get("bindings") for document in _inline_documents(bindings))
    return [layer for layer in found if isinstance(layer, dict)]


def _inline_documents(bindings: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    """Return the inline processes of bindings, those that they bind and extend themselves among them."""
    found: list[Mapping[str, JSON]] = []
    todo: list[JSON] = [bindings]
    while todo:
        layer = todo.pop()
        inline = [target.get("process") for target in layer.values() if isinstance(target, dict)]
        while inline:
            document = inline.pop()
            if isinstance(document, dict):
                found.append(document)
                inline.extend(_bases_of(document))
                if isinstance(document.get("bindings"), dict):
                    todo.append(document["bindings"])
    return found


def _bases_of(document: Mapping[str, JSON]) -> list[JSON]:
    bases = document.get("extends")
    return bases if isinstance(bases, list) else []


def find_http(name: str) -> tuple[HttpSettings, Secret | None]:
    """Return a web service's settings and secret; raises ConnectionMissingError and SecretUnreadableError."""
    linked = _find(name)
    if not isinstance(linked.settings, HttpSettings):
        raise ConnectionMissingError(f'The connection "{name}" leads to a mail server; bind one to a web service.')
    return linked.settings, linked.secret


def find_smtp(name: str) -> tuple[SmtpSettings, Secret | None]:
    """Return a mail server's settings and password; raises ConnectionMissingError and SecretUnreadableError."""
    linked = _find(name)
    if not isinstance(linked.settings, SmtpSettings):
        raise ConnectionMissingError(f'The connection "{name}" leads to a web service; bind one to a mail server.')
    return linked.settings, linked.secret


def _find(name: str) -> Linked:
    row = Connection.objects.filter(name=name).first()
    if row is None:
        raise ConnectionMissingError(
            f'There is no connection "{name}" any more. Create it in the admin, or bind another one and publish.',
            fields={"connection": name},
        )
    settings = parse_settings(row.kind, row.settings)
    return Linked(name=name, settings=settings, secret=decrypt(row.secret, name=name) if row.secret else None)


def _secret_problems(before: Connection | None, kind: str, settings: Settings, secret: str | None) -> list[Problem]:
    """List what is wrong with the secret that the connection would have."""
    kept = before is not None and bool(before.secret) and secret is KEEP
    needed = isinstance(settings, HttpSettings) and settings.scheme != "none"
    if secret and (message := secret_problem(settings, secret)) is not None:
        return [Problem("/secret", message)]
    if needed and not kept and not secret:
        return [Problem("/secret", f'"{settings.scheme}" needs a secret')]  # type: ignore[union-attr]
    if before is None or not kept:
        return []
    try:
        old = target_of(parse_settings(before.kind, before.settings))
    except DefinitionError:
        old = "somewhere else"
    if before.kind != kind or old != target_of(settings):
        return [Problem("/secret", f"Enter the secret again: the one that is stored was given for {old}")]
    return []


def _set_groups(connection: Connection, groups: Iterable[Group] | None) -> list[str]:
    """Set the groups, if any are given; return what the audit log tells of it."""
    if groups is None:
        return []
    wanted = {group.pk for group in groups}
    if wanted == set(connection.groups.values_list("pk", flat=True)):
        return []
    connection.groups.set(wanted)
    return ["groups"]


def _changed(before: Connection, after: Connection) -> list[str]:
    changed = [name for name in _FIELDS if getattr(before, name) != getattr(after, name)]
    return [*changed, "secret"] if before.secret != after.secret else changed
