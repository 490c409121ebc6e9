"""The pages of what can be done with one run: a module for each kind of deed."""

from collections.abc import Mapping

from processes.admin.runs.deeds import editing, files, holding, moves, taking_up
from processes.admin.runs.deeds.page import DeedPage, serve
from processes.domain.deeds import Deed

__all__ = ["PAGES", "DeedPage", "serve"]

PAGES: Mapping[Deed, DeedPage] = {
    page.deed: page
    for page in (
        holding.PAUSE, holding.UNPAUSE, holding.CANCEL, taking_up.RETRY, taking_up.REWIND, editing.EDIT, moves.MOVE,
        moves.UNDO, files.EXPORT, files.TEST,
    )
}  # fmt: skip
