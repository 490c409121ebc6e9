"""What the frame of every page needs, with no context processor to add: `{% load stepline_site %}`."""

from django import template
from django.template.context import Context

from processes.services.site import Site, this_site

register = template.Library()

#: Addresses that take what is posted, and show a form when they are asked.
_SHOWING_FORMS = frozenset({"processes:process", "processes:instance", "login"})


@register.simple_tag(name="this_site")
def site_of_settings() -> Site:
    """Return the site's name and themes: `{% this_site as site %}`."""
    return this_site()


@register.simple_tag(takes_context=True)
def address_here(context: Context) -> str:
    """Return the path of the page that is shown, with its query; empty where it can't be asked for again."""
    request = context.get("request")
    if request is None:
        return ""
    if request.method in ("GET", "HEAD"):
        return str(request.get_full_path())
    match = request.resolver_match
    return str(request.path) if match is not None and match.view_name in _SHOWING_FORMS else ""
