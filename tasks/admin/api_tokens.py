"""API tokens: made for oneself (superusers: for anybody), shown once, and revoked."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tasks.domain.scopes import check_scopes
from tasks.errors import BadRequest
from tasks.models import ApiToken
from tasks.services.api_rates import check_rate
from tasks.services.api_tokens import create_api_token, revoke_api_token

__all__ = ["ApiTokenAdmin"]


class ScopesField(forms.CharField):
    """Take scopes, one in a line."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """Show a list as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """Return the scopes."""
        text = super().clean(value)
        try:
            return check_scopes(text.split())
        except BadRequest as error:
            raise ValidationError(error.message) from None


class ApiTokenForm(forms.ModelForm):
    """Ask what a token is for."""

    scopes = ScopesField(
        initial="read",
        label=gettext_lazy("Scopes"),
        help_text=gettext_lazy(
            "One in a line: read, write, a part of the API with one of them (tasks:read, instances:write), or call: "
            "with the name of a function (call:instances.execute)."
        ),
    )

    class Meta:
        model = ApiToken
        fields = ("name", "user", "scopes", "rate", "expires_at")

    def clean_rate(self) -> str:
        """Refuse a rate that says nothing."""
        try:
            return check_rate(self.cleaned_data["rate"])
        except BadRequest as error:
            raise ValidationError(error.message) from None

    def clean_expires_at(self) -> Any:
        """Refuse a time that is over."""
        value = self.cleaned_data["expires_at"]
        if value is not None and value <= timezone.now():
            raise ValidationError(_("This time is over."))
        return value


class StateFilter(admin.SimpleListFilter):
    """Narrow the list to those in force, or those that open nothing any more."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Offer the states."""
        return [("holds", _("in force")), ("expired", _("expired")), ("revoked", _("revoked"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[ApiToken]") -> "QuerySet[ApiToken]":
        """Return the tokens of the state."""
        is_over = Q(expires_at__lte=timezone.now())
        match self.value():
            case "holds":
                return queryset.filter(~is_over | Q(expires_at=None), revoked_at=None)
            case "expired":
                return queryset.filter(is_over, revoked_at=None)
            case "revoked":
                return queryset.exclude(revoked_at=None)
        return queryset


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """List tokens, make new ones, and revoke those that nobody needs any more."""

    form = ApiTokenForm
    list_display = ("name", "user", "begins_with", "scopes_shown", "used_at", "expires_at", "state")
    list_select_related = ("user",)
    list_filter = (StateFilter,)
    search_fields = ("name", "hint")
    actions = ("revoke",)
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        """Let only the name of a token be changed: who holds it relies on the rest."""
        if obj is None:
            return ()
        return ("user", "scopes_shown", "rate", "expires_at", "begins_with", "created_at", "used_at", "revoked_at")

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        """Ask for what a new token needs, and show of one that is there what is known."""
        asked = ("name", "user", "scopes", "rate", "expires_at")
        return asked if obj is None else ("name", *self.get_readonly_fields(request, obj))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Leave out of the form of a token that is there what can't be changed."""
        if obj is not None:
            return super().get_form(request, obj, change=change, **{**kwargs, "form": forms.ModelForm})
        return super().get_form(request, obj, change=change, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer oneself: a token for somebody with more rights would lend those."""
        if db_field.name == "user":
            kwargs["initial"] = request.user.pk
            if request.user.is_superuser:
                # Not a list of all users, who may be many.
                kwargs["widget"] = ForeignKeyRawIdWidget(db_field.remote_field, self.admin_site)
            else:
                kwargs["queryset"] = get_user_model()._default_manager.filter(pk__in=[request.user.pk])
                kwargs["empty_label"] = None
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Offer one way to save: it leads to the token."""
        only = {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().add_view(request, form_url, {**only, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Make the token, and keep it for the page that shows it once."""
        if change:
            obj.save(update_fields=["name"])
            return
        row, secret = create_api_token(
            user=obj.user, name=obj.name, scopes=form.cleaned_data["scopes"], expires_at=obj.expires_at, rate=obj.rate
        )
        obj.pk, obj.hint = row.pk, row.hint
        request.made_token = secret  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: Any = None) -> HttpResponse:
        """Show the token, this once."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("A new API token"),
            "token": obj,
            "secret": request.made_token,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "tasks/admin/api_token_made.html", context)

    @admin.action(description=gettext_lazy("Revoke the selected tokens"), permissions=["change"])
    def revoke(self, request: HttpRequest, rows: "QuerySet[ApiToken]") -> None:
        """Let tokens open nothing any more."""
        done = 0
        for row in rows:
            if revoke_api_token(row):
                self.log_change(request, row, "Revoked.")
                done += 1
        text = ngettext("%(count)d token was revoked.", "%(count)d tokens were revoked.", done) % {"count": done}
        self.message_user(request, text, messages.SUCCESS if done else messages.WARNING)

    @admin.display(description=gettext_lazy("begins with"), ordering="hint")
    def begins_with(self, obj: ApiToken) -> str:
        """Return by what people know the token."""
        return f"{obj.hint}…"

    @admin.display(description=gettext_lazy("scopes"))
    def scopes_shown(self, obj: ApiToken) -> str:
        """Return what it is good for."""
        return ", ".join(obj.scopes)

    @admin.display(description=gettext_lazy("state"))
    def state(self, obj: ApiToken) -> str:
        """Tell whether it is in force."""
        if obj.revoked_at is not None:
            return _("revoked")
        if obj.expires_at is not None and obj.expires_at <= timezone.now():
            return _("expired")
        return _("in force")
