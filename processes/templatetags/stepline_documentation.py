"""Filters of the documentation and of what looks like it: `{% load stepline_documentation %}`."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from processes.domain.authoring.config_text import Piece
from processes.domain.authoring.diagram import anchor_of
from processes.domain.authoring.prose import Sentence

register = template.Library()

_CODE = re.compile(r"`([^`\n]+)`")


@register.filter
def told(sentence: Sentence) -> SafeString:
    """Return a sentence with its actions linked to where they are told on the page."""
    return format_html_join("", "{}", ((_part(part.text, part.kind),) for part in sentence))


@register.filter
def config_html(pieces: Iterable[Piece]) -> SafeString:
    """Return a config's text; what was bound leads to its binding."""
    return format_html_join("", "{}", ((_piece(piece),) for piece in pieces))


@register.filter
def with_code(text: str) -> SafeString:
    """Return plain text whose `quoted` names are set as code."""
    parts = _CODE.split(text)
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if index % 2 else part,) for index, part in enumerate(parts))
    )


@register.filter
def action_anchor(name: str) -> str:
    """Return the fragment of an action."""
    return anchor_of(name)


@register.filter
def binding_anchor(reference: str) -> str:
    """Return the fragment of a binding."""
    return f"binding-{quote(reference, safe='')}"


@register.filter
def script_anchor(name: str) -> str:
    """Return the fragment of a script."""
    return f"script-{quote(name, safe='')}"


def _part(text: str, kind: str) -> str | SafeString:
    if kind == "action":
        return _quoted(format_html('<a href="#{}">{}</a>', anchor_of(text), text))
    return _quoted(format_html('<em class="state">{}</em>', text)) if kind == "state" else text


def _quoted(name: SafeString) -> SafeString:
    opening, _name, closing = gettext("“%(name)s”").partition("%(name)s")
    return format_html("{}{}{}", opening, name, closing)


def _piece(piece: Piece) -> str | SafeString:
    if piece.kind == "plain":
        return piece.text
    if piece.kind == "bound" and piece.reference is not None:
        title = gettext("Bound as “%(name)s”") % {"name": piece.reference}
        return format_html(
            '<a class="config-bound" href="#{}" title="{}">{}</a>', binding_anchor(piece.reference), title, piece.text
        )
    titles = {
        "unbound": gettext("Nothing is bound to this"),
        "placeholder": gettext("Filled in just before the action runs"),
    }
    title = titles.get(piece.kind, "")
    if not title:
        return format_html('<span class="config-{}">{}</span>', piece.kind, piece.text)
    return format_html('<span class="config-{}" title="{}">{}</span>', piece.kind, title, piece.text)
