"""Filters for pages that processes show: `{% load stepline %}`."""

from django import template

from processes.services.errors import FileMissingError
from processes.services.files import file_url as url_of_file
from processes.services.files import is_file_info

register = template.Library()


@register.filter
def file_url(info: object) -> str:
    """Return the download path of a file info; empty for anything else, so that a page never fails over it."""
    if not isinstance(info, dict) or not is_file_info(info):
        return ""
    try:
        return url_of_file(info)
    except FileMissingError:
        return ""
