"""What a client knows of a task at one update: its context."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tasks.domain.jsonvalue import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Hold the state of a task as of one update; a later update makes another one.

    Data and errors are known by the alias of their node, an action's name; of nodes that share an alias the last one
    to tell counts. A snapshot tells of errors, and of the result once there is one; what came before it as data, and
    the input, only the log holds.
    """

    task_id: str
    input: JSON = None
    #: Of a task that has completed: what it returned.
    outcome: JSON = None
    completed: bool = False
    data: Mapping[str, JSON] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def result(self) -> JSON:
        """Return the task's result; until it has completed, the last data of each node by alias."""
        return self.outcome if self.completed else self.data

    def get_node_data(self, alias: str) -> JSON:
        """Return what the node has last produced, or None."""
        return self.data.get(alias)

    def get_node_error(self, alias: str) -> str | None:
        """Return what went wrong in the node, or None; a node that starts again has no error."""
        return self.errors.get(alias)

    # Contexts share what doesn't change: of the two mappings, one that changes is copied.

    def with_data(self, alias: str, data: JSON) -> "Context":
        """Return the context after a node has produced `data`."""
        return replace(self, data={**self.data, alias: data})

    def with_error(self, alias: str, error: str) -> "Context":
        """Return the context after something went wrong in a node."""
        return replace(self, errors={**self.errors, alias: error})

    def without_error(self, alias: str) -> "Context":
        """Return the context after a node has started."""
        if alias not in self.errors:
            return self
        return replace(self, errors={key: error for key, error in self.errors.items() if key != alias})
