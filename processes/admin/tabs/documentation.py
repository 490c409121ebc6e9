"""The Documentation tab: what a template does, in words and as a diagram; the draft, or what is published."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy

from processes.admin.tabs.page import Tab, TemplateAdmin, render_tab
from processes.models import ProcessTemplate
from processes.services.authoring.documentation import describe_template

#: The parameter that says what is described, and its other value.
OF, PUBLISHED = "of", "published"


def view(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    """Describe the template; where nothing is published yet, there is only the draft."""
    published = request.GET.get(OF) == PUBLISHED and template.published_source is not None
    doc = describe_template(template, published=published)
    page = "processes/admin/tabs/documentation.html"
    return render_tab(request, template, model_admin, tab=TAB.name, page=page, context={"doc": doc})


TAB = Tab(name="documentation", label=gettext_lazy("Documentation"), view=view)
