"""What an editor may decide about a template's rights: who edits it, who owns it, which connections it binds."""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from processes.admin.forms import ProcessTemplateForm
from processes.models import ProcessTemplate
from processes.services.access import may_edit
from processes.services.bound_connections import check_connections
from processes.services.errors import BindingRefusedError
from processes.services.library import Source, read_library
from processes.services.template_rights import editor_refusals, owner_refusal

__all__ = ["RightsForm", "editor_of", "may_edit_stored"]


def editor_of(request: HttpRequest) -> AbstractBaseUser:
    """Return who edits: the admin lets nobody in who isn't signed in."""
    assert isinstance(request.user, AbstractBaseUser)
    return request.user


def may_edit_stored(request: HttpRequest, template: ProcessTemplate) -> bool:
    """Tell whether the user may edit a template as it was when the request began.

    A form that was refused leaves on its instance what it would have saved; that must not decide whether the editor
    sees the form again.
    """
    known: dict[int, bool] = request.__dict__.setdefault("_editable_templates", {})
    if template.pk not in known:
        stored = ProcessTemplate.objects.filter(pk=template.pk).first()
        known[template.pk] = stored is not None and may_edit(request.user, stored)
    return known[template.pk]


class RightsForm(ProcessTemplateForm):
    """Edit a template as one user, who can neither lock themselves out nor give away what isn't theirs.

    Superusers decide freely. All others stay among those who may edit it, add and take away only groups that they are
    in, and can't open to every editor what is kept for groups.
    """

    #: Whoever edits; the admin makes a class for each request.
    user: ClassVar[AbstractBaseUser | AnonymousUser] = AnonymousUser()

    def clean(self) -> dict[str, Any]:
        """Check the rights, besides what the form checks by itself."""
        cleaned = super().clean()
        if not getattr(self.user, "is_superuser", False):
            if "edit_access" in cleaned:
                self._check_editors(cleaned)
            self._check_owner(cleaned)
        self._check_connections(cleaned)
        return cleaned

    def _check_editors(self, cleaned: dict[str, Any]) -> None:
        owner = cleaned.get("owner", self.instance.owner)
        for field, message in editor_refusals(
            self.user,
            None if self.instance._state.adding else self.instance,
            edit_access=cleaned["edit_access"],
            edit_groups=cleaned.get("edit_groups") or (),
            owner_id=None if owner is None else owner.pk,
        ):
            self._refuse(field, message)

    def _check_owner(self, cleaned: dict[str, Any]) -> None:
        if "owner" not in self.changed_data:
            return
        owner = cleaned.get("owner")
        refusal = owner_refusal(self.user, self.instance, owner_id=None if owner is None else owner.pk)
        if refusal is not None:
            self._refuse("owner", refusal)

    def _check_connections(self, cleaned: dict[str, Any]) -> None:
        draft = Source(
            slug=cleaned.get("slug") or self.instance.slug,
            definition="",
            extends=tuple(base.slug for base in self.bases),
            bindings=self.bindings,
        )
        try:
            check_connections(read_library(), draft, user=self.user)
        except BindingRefusedError as error:
            self.add_error(None, error.message)

    def _refuse(self, field: str, message: str) -> None:
        self.add_error(field if field in self.fields else None, forms.ValidationError(message, code="rights"))
