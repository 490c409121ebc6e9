"""What the JSON editor says, in the reader's language, as a script that the page links before the editor's own."""

import json
from typing import Any, Final

from django.http import HttpResponse
from django.views.i18n import JavaScriptCatalog

__all__ = ["WORDS", "EditorWords"]

#: The name of its address.
WORDS: Final = "processes_processtemplate_words"


class EditorWords(JavaScriptCatalog):
    """Hand the catalogue over under a name of its own.

    Django's own script would put it where the admin keeps its catalogue, and take that away where it comes after
    `jquery.init.js`: in which order a page links them, is the matter of the page's other fields, too.
    """

    packages = ["processes"]

    def render_to_response(self, context: dict[str, Any], **response_kwargs: Any) -> HttpResponse:
        """Return the script."""
        plural = context["plural"] or "n != 1"
        script = (
            f"globalThis.steplineWords = {{ catalog: {json.dumps(context['catalog'])}, plural: (n) => {plural} }};\n"
        )
        return HttpResponse(script, content_type="text/javascript; charset=utf-8", **response_kwargs)
