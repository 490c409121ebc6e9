"""Forms of the admin whose saving may be refused: what says against it is told, instead of a page of a failure."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from processes.errors import ProcessError

__all__ = ["ErrorTellingAdmin"]


class ErrorTellingAdmin(admin.ModelAdmin):
    """Tell what a process, or somebody else in the very same moment, says against saving; then nothing is saved."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show and save the form."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ProcessError as error:
            self.message_user(request, _("Nothing was saved. %(why)s") % {"why": error.message}, messages.ERROR)
            return HttpResponseRedirect(request.path)
