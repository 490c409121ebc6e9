"""The admin of connections: where other systems are, and secrets that go in and are never shown again."""

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.errors import DefinitionError
from processes.models import Connection, ConnectionKind
from processes.services.audit import actor_of
from processes.services.connections import KEEP, check_settings, delete_connection, save_connection, used_by
from processes.services.errors import ConnectionInUseError

__all__ = ["ConnectionAdmin", "ConnectionForm"]

#: The fields on the page that become `settings`, by kind: {the form's: the setting's}.
_HTTP: Final = {"base_url": "base_url", "scheme": "scheme", "http_username": "username", "header": "header"}
_SMTP: Final = {
    "host": "host", "port": "port", "security": "security", "smtp_username": "username", "from_address": "from_address",
}  # fmt: skip
_BY_KIND: Final = {ConnectionKind.HTTP.value: _HTTP, ConnectionKind.SMTP.value: _SMTP}

_SCHEMES = [
    ("none", gettext_lazy("not at all")),
    ("bearer", gettext_lazy("as a bearer token")),
    ("basic", gettext_lazy("as a password (basic)")),
    ("header", gettext_lazy("in a header")),
]
_SECURITY = [
    ("starttls", "STARTTLS"),
    ("tls", gettext_lazy("TLS from the start")),
    ("none", gettext_lazy("not encrypted")),
]


class ConnectionForm(forms.ModelForm):
    """Edit a connection; its secret is only ever written."""

    base_url = forms.CharField(
        label=gettext_lazy("Address"),
        required=False,
        max_length=1000,
        widget=forms.URLInput(attrs={"class": "vURLField"}),
        help_text=gettext_lazy("Requests go here or below: https://api.example.com/v1"),
    )  # fmt: skip
    scheme = forms.ChoiceField(label=gettext_lazy("The secret is sent"), choices=_SCHEMES, required=False)
    http_username = forms.CharField(
        label=gettext_lazy("Username"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("For basic: whose password it is."),
    )
    header = forms.CharField(
        label=gettext_lazy("Header"),
        required=False,
        max_length=100,
        help_text=gettext_lazy("For a header: its name, such as X-Api-Key."),
    )
    host = forms.CharField(
        label=gettext_lazy("Mail server"), required=False, max_length=255, help_text="mail.example.com"
    )
    port = forms.IntegerField(
        label=gettext_lazy("Port"),
        required=False,
        initial=587,
        min_value=1,
        max_value=65535,
        help_text=gettext_lazy("587 for STARTTLS, 465 for TLS."),
    )  # fmt: skip
    security = forms.ChoiceField(label=gettext_lazy("Encryption"), choices=_SECURITY, required=False)
    smtp_username = forms.CharField(
        label=gettext_lazy("Username"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Empty to send without signing in."),
    )
    from_address = forms.CharField(
        label=gettext_lazy("Sender"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("A mail address, with a name before it or without: Shop &lt;shop@example.com&gt;"),
    )
    new_secret = forms.CharField(
        label=gettext_lazy("Secret"),
        required=False,
        strip=False,
        # Never rendered back, and not for the browser to keep.
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password", "class": "vTextField"}),
    )
    remove_secret = forms.BooleanField(label=gettext_lazy("Remove the secret"), required=False)

    class Meta:
        model = Connection
        fields = ("name", "kind", "description", "everyone", "groups")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in (*_HTTP, *_SMTP):
            self.fields[name].widget.attrs["autocomplete"] = "off"
        stored = self.instance.settings
        for field, setting in _BY_KIND.get(self.instance.kind, {}).items():
            if setting in stored:
                self.fields[field].initial = stored[setting]
        has_secret = bool(self.instance.secret)
        self.fields["new_secret"].help_text = (
            _("There is one; it is never shown. Leave this empty to keep it.")
            if has_secret
            else _("Token or password. Once saved it is never shown again.")
        )
        if not has_secret:
            del self.fields["remove_secret"]

    def clean(self) -> dict[str, Any]:
        """Check the settings of the chosen kind, together with the secret."""
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind") or self.instance.kind
        if cleaned.get("remove_secret") and cleaned.get("new_secret"):
            self.add_error("remove_secret", _("Either enter a new secret, or remove the one that is there."))
            return cleaned
        fields = _BY_KIND.get(kind, {})
        values = {setting: cleaned[field] for field, setting in fields.items() if cleaned.get(field) not in (None, "")}
        try:
            self.instance.settings = check_settings(
                connection=self.instance if self.instance.pk else None, kind=kind, settings=values, secret=self.secret
            )
        except DefinitionError as error:
            places = {f"/settings/{setting}": field for field, setting in fields.items()} | {"/secret": "new_secret"}
            # What concerns several settings together has no place among them.
            for problem in error.problems:
                self.add_error(places.get(problem.path), _sentence(problem.message))
        return cleaned

    @property
    def secret(self) -> str | None:
        """Return what becomes of the secret: a new one, none, or KEEP."""
        if self.cleaned_data.get("remove_secret"):
            return ""
        return self.cleaned_data.get("new_secret") or KEEP


@admin.register(Connection)
class ConnectionAdmin(admin.ModelAdmin):
    """Edit connections. Who may bind them is said here; who may use them follows from the processes."""

    form = ConnectionForm
    list_display = ("name", "kind", "leads_to", "has_secret", "everyone")
    list_filter = ("kind",)
    search_fields = ("name", "description")
    filter_horizontal = ("groups",)
    #: One by one: a whole selection would be deleted past the check for templates that bind it.
    actions = None
    readonly_fields = ("templates",)

    class Media:
        css: ClassVar = {"all": ("processes/admin.css",)}
        js: ClassVar = (Script("processes/connections.js", type="module"),)

    @admin.display(description=gettext_lazy("leads to"))
    def leads_to(self, connection: Connection) -> str:
        """Show where it leads."""
        return str(connection.settings.get("base_url") or connection.settings.get("host") or "")

    @admin.display(description=gettext_lazy("secret"), boolean=True)
    def has_secret(self, connection: Connection) -> bool:
        """Show whether there is a secret."""
        return bool(connection.secret)

    @admin.display(description=gettext_lazy("bound by"))
    def templates(self, connection: Connection) -> str:
        """List the templates that bind it."""
        return ", ".join(used_by(connection.name)) or _("no template")

    def get_fieldsets(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        """Ask for what each kind needs; a script shows only the chosen one's."""
        secret = ["new_secret"] + (["remove_secret"] if obj is not None and obj.secret else [])
        bound = ["templates"] if obj is not None else []
        return [
            (None, {"fields": ["name", "kind", "description", *bound]}),
            (_("Web service"), {"fields": list(_HTTP), "classes": ["connection-http"]}),
            (_("Mail server"), {"fields": list(_SMTP), "classes": ["connection-smtp"]}),
            (_("Secret"), {"fields": secret}),
            (_("Editors who may bind it"), {"fields": ["everyone", "groups"]}),
        ]

    def get_form(self, request: HttpRequest, obj: Connection | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Take the model's fields from the form itself: the others on the page are its own."""
        # What is named here must be fields of the model.
        return super().get_form(request, obj, change, **{**kwargs, "fields": ConnectionForm.Meta.fields})

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> tuple[str, ...]:
        """Keep the name of a connection that exists: templates bind it by its name."""
        return (*self.readonly_fields, "name") if obj is not None else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Connection, form: ConnectionForm, change: bool) -> None:
        """Save it with what becomes of its secret, and write down who did."""
        groups = form.cleaned_data["groups"]
        save_connection(connection=obj, secret=form.secret, groups=groups, actor=actor_of(request.user))

    def delete_model(self, request: HttpRequest, obj: Connection) -> None:
        """Delete it, and write down who did."""
        delete_connection(connection=obj, actor=actor_of(request.user))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Delete a connection that no template binds; say which do otherwise."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except ConnectionInUseError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(
                reverse("admin:processes_connection_change", args=[object_id], current_app=self.admin_site.name)
            )


def _sentence(message: str) -> str:
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
