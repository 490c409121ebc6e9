"""The page that sets the secret of a webhook: a new one is shown once, and never again."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from processes.errors import DefinitionError, ProcessError
from processes.models import Trigger
from processes.services.trigger_secrets import MAX_KEEP_HOURS, set_secret

__all__ = ["SecretForm", "secret_page"]


class SecretForm(forms.Form):
    """Ask for a secret, or to draw one, and how long the old one stays valid."""

    given = forms.CharField(
        label=gettext_lazy("Secret"),
        required=False,
        strip=True,
        max_length=200,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password", "class": "vTextField"}),
        help_text=gettext_lazy("Only where the sender has made one. Empty: a new one is drawn, and shown once."),
    )
    keep_hours = forms.IntegerField(
        label=gettext_lazy("Hours for which the present one stays valid"),
        initial=24,
        min_value=0,
        max_value=MAX_KEEP_HOURS,
        help_text=gettext_lazy("So that you can tell the sender in peace. After a leak: 0."),
    )

    def __init__(self, *args: Any, has_secret: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_secret:
            del self.fields["keep_hours"]


@never_cache
@sensitive_post_parameters("given")
@sensitive_variables("secret", "given")
def secret_page(
    request: HttpRequest, *, trigger: Trigger, back: str, site: admin.AdminSite, may_change: bool
) -> HttpResponse:
    """Serve the page; what is drawn is in the answer to the POST, and nowhere else."""
    if not may_change:
        raise PermissionDenied
    form = SecretForm(request.POST or None, has_secret=bool(trigger.secret))
    secret = ""
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data["given"]
        try:
            secret = set_secret(
                trigger=trigger,
                editor=request.user,
                given=given,
                keep_hours=form.cleaned_data.get("keep_hours") or 0,
            )
        except DefinitionError as error:
            for problem in error.problems:
                form.add_error(problem.path.removeprefix("/"), problem.message)
        except ProcessError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(back)
        else:
            if given:
                messages.success(request, _("The secret is set."))
                return HttpResponseRedirect(back)
    context = {
        **site.each_context(request),
        "title": _("Secret of “%(trigger)s”") % {"trigger": trigger},
        "opts": Trigger._meta,
        "trigger": trigger,
        "form": form,
        "drawn": secret,
        "back": back,
    }
    return TemplateResponse(request, "processes/admin/trigger_secret.html", context)
