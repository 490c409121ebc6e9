"""Which connections a draft, or an instance, binds; and whether whoever says so may bind them."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

from processes.services.connections import check_may_bind, credential_names
from processes.services.library import Library, Source

__all__ = ["check_connections", "connections_of"]


def check_connections(library: Library, draft: Source, *, user: object, before: Library | None = None) -> None:
    """Raise BindingRefusedError where a draft brings in connections that `user` may not bind.

    Those of extended templates count too, whether the draft or an inline process in it extends them: that is a way to
    use what they bind. What the stored draft uses may stay; `before` is how things were where it was changed meanwhile.
    """
    if not isinstance(user, AbstractBaseUser | AnonymousUser):
        return
    before = before or library
    stored = before.drafts.get(draft.slug)
    already = set() if stored is None else connections_of(before, stored)
    check_may_bind(user, connections_of(library, draft), already=already)


def connections_of(library: Library, source: Source) -> set[str]:
    """Return the connections that a source binds, by itself or by what it extends."""
    found, todo, seen = set[str](), [source], {source.slug}
    while todo:
        layer = todo.pop()
        found |= credential_names(layer.bindings)
        new = layer.base_names - seen
        todo.extend(base for slug in new if (base := library.base(slug)) is not None)
        seen |= new
    return found
