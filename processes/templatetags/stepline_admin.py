"""Template tags of the admin's pages."""

from django import template

from processes.admin.tabs import TABS

register = template.Library()


@register.simple_tag
def template_tabs() -> list[dict[str, str]]:
    """Return the tabs beside a template's form: name, label and the name of the address."""
    return [{"name": tab.name, "label": tab.label, "address": f"admin:{tab.url_name}"} for tab in TABS]
