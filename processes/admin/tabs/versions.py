"""The Versions tab."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from processes.admin.tabs.page import Tab, TemplateAdmin, render_tab
from processes.models import ProcessTemplate


def view(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    """Show it."""
    return render_tab(request, template, model_admin, tab=TAB.name, page="processes/admin/tabs/base.html", context={})


TAB = Tab(name="versions", label="Versions", view=view)
