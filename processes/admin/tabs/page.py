"""What the pages beside a template's form have in common: permission, address, frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from processes.models import ProcessTemplate
from processes.services.access import User

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

__all__ = ["Tab", "TemplateAdmin", "render_tab", "serve_tab"]


def _everybody(user: User) -> bool:
    return True


TemplateAdmin: TypeAlias = "admin.ModelAdmin[ProcessTemplate]"
#: Answers a request for a tab of a template that the user may see (and, where the tab asks for it, change).
View: TypeAlias = Callable[[HttpRequest, ProcessTemplate, TemplateAdmin], HttpResponseBase]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """Name a page: `name` is the last part of its address, `label` what its tab says.

    `changes` says that a POST to it needs the permission to change the template, `allowed` who sees the tab at all, of
    those who see the template.
    """

    name: str
    label: "str | _StrPromise"
    view: View
    changes: bool = True
    allowed: Callable[[User], bool] = _everybody

    @property
    def url_name(self) -> str:
        """Return the name of its address in the admin's namespace."""
        return f"processes_processtemplate_{self.name}"


def serve_tab(tab: Tab, request: HttpRequest, object_id: str, model_admin: TemplateAdmin) -> HttpResponseBase:
    """Answer a request for a tab, if the user may; what is forbidden looks like what is missing."""
    template = model_admin.get_object(request, object_id)
    if template is None or not (model_admin.has_view_permission(request, template) and tab.allowed(request.user)):
        raise Http404("There is no such template, or you may not see it.")
    if request.method == "POST" and tab.changes and not model_admin.has_change_permission(request, template):
        raise PermissionDenied
    return tab.view(request, template, model_admin)


def render_tab(
    request: HttpRequest,
    template: ProcessTemplate,
    model_admin: TemplateAdmin,
    *,
    tab: str,
    page: str,
    context: Mapping[str, Any],
    status: int = 200,
) -> HttpResponse:
    """Return a page in the admin's frame; `page` is a Django template that extends `processes/admin/tabs/base.html`."""
    return TemplateResponse(
        request,
        page,
        {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.model._meta,
            "original": template,
            "title": str(template),
            "active_tab": tab,
            "has_view_permission": True,
            "has_change_permission": model_admin.has_change_permission(request, template),
            **context,
        },
        status=status,
    )
