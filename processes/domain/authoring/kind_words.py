"""Kinds of bindings, and of changes, as words."""

from collections.abc import Mapping
from typing import Final

from processes.domain.authoring.language import gettext_noop
from processes.domain.bindings import Kind

__all__ = ["CHANGE_WORDS", "KIND_WORDS"]

#: What a binding leads to.
KIND_WORDS: Final[Mapping[Kind, str]] = {
    "script": gettext_noop("script"),
    "process": gettext_noop("process"),
    "value": gettext_noop("value"),
    "data_node": gettext_noop("data node"),
    "status_rules": gettext_noop("status rules"),
    "credential": gettext_noop("credential"),
    "queryset": gettext_noop("queryset"),
}

#: What happened to an action or a binding.
CHANGE_WORDS: Final[Mapping[str, str]] = {
    "changed": gettext_noop("changed"),
    "moved": gettext_noop("moved"),
    "added": gettext_noop("added"),
    "removed": gettext_noop("removed"),
}
