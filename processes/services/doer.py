"""Who does something to an instance, for its history: a user by hand, or a process at work for one."""

import uuid
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser

from processes.domain.application import Application
from processes.services import audit
from processes.services.host import acting_user, host_of

__all__ = ["STEPLINE", "Doer", "doer_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doer:
    """Say who does something: a user, in which action of a process and in which background run."""

    actor: audit.Actor = audit.SYSTEM
    action: str = ""
    run_id: uuid.UUID | None = None

    @classmethod
    def of(cls, user: AbstractBaseUser | None) -> "Doer":
        """Return a user who does it by themselves, outside of any action; Stepline itself without one."""
        return cls(actor=audit.SYSTEM if user is None else audit.actor_of(user))


#: What happens by itself.
STEPLINE = Doer()


def doer_of(app: Application) -> Doer:
    """Return for whom a script works, and in which action."""
    action = app.action
    return Doer(
        actor=audit.actor_of(acting_user(app)),
        action="" if action is None else action.name,
        run_id=host_of(app).caller.run_id,
    )
