"""Objects of a team's own models that a process drives (docs/own_models.md).

Each has a process instance of its own, which holds Data, status and history; which process and which status rules it
has is derived from its context.
"""

from processes.services.driven.derived import Derived, check_derived, derive
from processes.services.driven.following import (
    follow,
    follow_or_open,
    move_plan,
    open_instance,
    withdraw_instance,
)
from processes.services.driven.objects import driven_models, object_of, object_of_instance
from processes.services.driven.progress import Running, running_of
from processes.services.driven.rederiving import Change, rederive

__all__ = [
    "Change",
    "Derived",
    "Running",
    "check_derived",
    "derive",
    "driven_models",
    "follow",
    "follow_or_open",
    "move_plan",
    "object_of",
    "object_of_instance",
    "open_instance",
    "rederive",
    "running_of",
    "withdraw_instance",
]
