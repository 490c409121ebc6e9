"""Say what a script's effect means for an action whose worker dies in it."""

from typing import Final

from processes.domain.authoring.language import gettext_noop
from processes.domain.scripts import Effect

__all__ = ["EFFECT_WORDS"]

#: Each goes on after the effect's name; as a sentence of its own it begins with a capital.
EFFECT_WORDS: Final[dict[Effect, str]] = {
    "pure": gettext_noop("changes nothing but the run itself"),
    "idempotent": gettext_noop("may run again after a crash"),
    "transactional": gettext_noop("its database writes are committed together with the step, exactly once"),
    "once": gettext_noop("never runs a second time; after a crash in the middle of it the run asks an operator"),
}
