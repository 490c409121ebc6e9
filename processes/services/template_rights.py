"""What an editor may decide about who edits a template and who owns it, whichever way they say so."""

from collections.abc import Collection, Iterator

from django.contrib.auth.models import Group

from processes.models import EditAccess, ProcessTemplate
from processes.services.access import User, UserKey, may_set_owner

__all__ = ["editor_refusals", "owner_refusal"]


def editor_refusals(
    user: User,
    stored: ProcessTemplate | None,
    *,
    edit_access: str,
    edit_groups: Collection[Group],
    owner_id: UserKey | None,
) -> Iterator[tuple[str, str]]:
    """Say what speaks against `user`'s choice of editors: the field, and why; None is a template that isn't yet.

    Superusers decide freely. All others stay among those who may edit it, add and take away only groups that they are
    in, and can't open to every editor what is kept for groups.
    """
    if getattr(user, "is_superuser", False):
        return
    chosen = set(edit_groups)
    before: set[Group] = set() if stored is None else set(stored.edit_groups.all())
    own = set(Group.objects.filter(user=user.pk))
    if foreign := sorted(group.name for group in (chosen ^ before) - own):
        yield (
            "edit_groups",
            f"You may add and take away only groups that you are in; of {', '.join(foreign)} you are no member. "
            "Ask an administrator.",
        )
    if edit_access == EditAccess.GROUPS:
        if not chosen & own and owner_id != user.pk:
            names = ", ".join(sorted(group.name for group in own))
            cure = f"Choose one of your own groups: {names}." if own else "You are in no group: ask an administrator."
            yield "edit_groups", f"You would lock yourself out. {cure}"
    elif stored is not None and edit_access != stored.edit_access:
        yield (
            "edit_access",
            "It is kept for the groups below: only an administrator may open it to every editor.",
        )


def owner_refusal(user: User, template: ProcessTemplate, *, owner_id: UserKey | None) -> str | None:
    """Say what speaks against `owner_id` as the owner; None where nothing does."""
    if may_set_owner(user, template, owner_id=owner_id):
        return None
    return "Only an administrator may make somebody else the owner, or take that from them."
