"""Template tags of the admin's pages."""

from typing import Any

from django import template
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from processes.admin.tabs import TABS

register = template.Library()


@register.simple_tag(takes_context=True)
def template_tabs(context: Context) -> list[dict[str, Any]]:
    """Return the tabs beside a template's form that the reader may see: name, label and the name of the address."""
    user = context["request"].user
    return [
        {"name": tab.name, "label": tab.label, "address": f"admin:{tab.url_name}"} for tab in TABS if tab.allowed(user)
    ]


@register.simple_tag(takes_context=True)
def focus_key(context: Context, what: str, name: str = "") -> SafeString:
    """Return the attribute by which the builder's script finds a field again, and the focus where it is asked for."""
    key = f"{what} {name}" if name else what
    attribute = format_html('data-key="{}"', key)
    return format_html("{} autofocus", attribute) if context.get("focus") == key else attribute
