"""The context of a background run as it is stored: attributes, request, response, written where they have changed."""

import json
from typing import Any, Final

from processes.domain.application import Application
from processes.services.run_store import RUN_ID
from tasks.domain.jsonvalue import dumps

__all__ = ["StoredContext"]

#: No JSON text.
_UNKNOWN: Final = ""

Parts = dict[str, dict[str, Any]]


class StoredContext:
    """Know what is stored of a run's context, so that a checkpoint writes only the parts that changed.

    Texts tell what has changed: a script may change the very object that was read, and to Python True is 1.
    """

    def __init__(self, app: Application) -> None:
        """Take the context of `app` for what is stored."""
        #: The parts as they were when they were last looked at, in objects that no script has.
        self.parts: Parts = {}
        self._texts: dict[str, str] = {}
        self._mark = _UNKNOWN
        self.look(app)
        self._stored = self._texts

    def look(self, app: Application) -> None:
        """Take in what the context is now; raises NotJsonError, naming the place, for what isn't JSON."""
        try:
            mark = dumps(app.context_parts())
        except (TypeError, ValueError, RecursionError):
            mark = _UNKNOWN
        if mark == self._mark != _UNKNOWN:
            # After most actions. What has this text was looked through when it had it for the first time.
            return
        parts = app.context_json()
        parts["attributes"].pop(RUN_ID, None)
        self.parts, self._texts, self._mark = parts, {name: dumps(part) for name, part in parts.items()}, mark

    @property
    def changed(self) -> Parts:
        """Give the parts that aren't stored as they are."""
        if self._texts is self._stored:
            return {}
        return {name: self.parts[name] for name, text in self._texts.items() if text != self._stored[name]}

    def saved(self, app: Application) -> None:
        """Take note that what was looked at last is committed; the next action has copies of the attributes of `app`.

        So it finds what a worker that takes over would: no constant of a script's module, nothing that two share.
        """
        if self._texts is not self._stored and self._texts["attributes"] != self._stored["attributes"]:
            for name, value in json.loads(self._texts["attributes"]).items():
                if isinstance(value, dict | list):
                    app.set(name, value)
        self._stored = self._texts
