"""What a site makes its own on every page: its name, and a stylesheet that themes it.

STEPLINE_SITE_NAME = "Acme"                 # in the header and behind every page's title
STEPLINE_THEME = "acme/theme.css"           # a static file, linked last; or a list of them
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.apps import AppConfig
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error, Warning

__all__ = ["Site", "check_site", "this_site"]

DEFAULT_NAME = "Stepline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Hold a site's name, and the paths of its stylesheets below the static files."""

    name: str
    themes: tuple[str, ...]


def this_site() -> Site:
    """Return what the settings say of this site."""
    theme = getattr(settings, "STEPLINE_THEME", "") or ()
    return Site(
        name=str(getattr(settings, "STEPLINE_SITE_NAME", "") or DEFAULT_NAME),
        themes=tuple(theme) if isinstance(theme, list | tuple) else (theme,),
    )


def check_site(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Say where STEPLINE_THEME names no static file: the pages would come without it."""
    themes = this_site().themes
    if not all(isinstance(theme, str) and theme for theme in themes):
        return [
            Error(
                f"STEPLINE_THEME is {settings.STEPLINE_THEME!r}, which is neither a path nor a list of paths.",
                hint='Write the path of a stylesheet below the static files, like "acme/theme.css".',
                id="stepline.E010",
            )
        ]
    return [
        Warning(
            f'STEPLINE_THEME names "{theme}", and there is no such static file.',
            hint="Write its path below a folder of static files, like acme/theme.css: with no slash before it, and"
            " without STATIC_URL.",
            id="stepline.W010",
        )
        for theme in themes
        if not _is_there(theme)
    ]


def _is_there(theme: str) -> bool:
    if theme.startswith(("/", "http:", "https:")) or ".." in theme.split("/"):
        return False
    return finders.find(theme) is not None
