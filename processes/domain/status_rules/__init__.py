"""Status rules: which actions are offered to whom at which status. They offer; they don't permit.

A rule applies at its statuses. `"*"`, or none given, is every status, `null` no status, `"!x"` every status but x (no
status, too), `"!null"` every status that is set. In a list, a rule applies where any of those that aren't negated does
(everywhere, where all are negated), except at what a negated one excludes: `["*", "!done"]` is what `"!done"` is.
"""

from processes.domain.status_rules.checking import check_status_rules
from processes.domain.status_rules.moves import Moves, moves_from, reachable_statuses
from processes.domain.status_rules.parsing import (
    ACTION_KEYS,
    CONDITION_VARIABLES,
    MAX_RULES,
    MAX_STATUS_CHARACTERS,
    RULE_KEYS,
    parse_status_rules,
    status_problem,
)
from processes.domain.status_rules.rules import (
    NO_STATUS,
    RESERVED_ROLES,
    OfferedAction,
    OptionGroup,
    StatusMatch,
    StatusRule,
    StatusRules,
)
from processes.domain.status_rules.table import StatusTable, TableEntry, TableRow, tabulate

__all__ = [
    "ACTION_KEYS", "CONDITION_VARIABLES", "MAX_RULES", "MAX_STATUS_CHARACTERS", "NO_STATUS", "RESERVED_ROLES",
    "RULE_KEYS", "Moves", "OfferedAction", "OptionGroup", "StatusMatch", "StatusRule", "StatusRules", "StatusTable",
    "TableEntry", "TableRow", "check_status_rules", "moves_from", "parse_status_rules", "reachable_statuses",
    "status_problem", "tabulate",
]  # fmt: skip
