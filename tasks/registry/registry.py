"""Which functions can be jobs, by name."""

import difflib
from collections.abc import Mapping

from tasks.errors import TasksError, UnknownJob
from tasks.registry.spec import JobSpec


class DuplicateJob(TasksError):
    """Two functions are registered as the same job."""

    code = "duplicate_job"


class JobRegistry:
    """Map names to jobs."""

    def __init__(self) -> None:
        self._specs: dict[str, JobSpec] = {}
        self._names: tuple[str, ...] = ()
        self._rated: tuple[str, ...] = ()

    def add(self, spec: JobSpec) -> None:
        """Register `spec`; raises DuplicateJob where another function has its name."""
        present = self._specs.get(spec.name)
        if present is not None and present.function is not spec.function:
            raise DuplicateJob(f"A job named {spec.name!r} is registered already; give this one another name.")
        self._specs[spec.name] = spec
        self._note_names()

    def remove(self, name: str) -> None:
        """Forget a job."""
        self._specs.pop(name, None)
        self._note_names()

    def get(self, name: str) -> JobSpec:
        """Return the job of that name; raises UnknownJob with the nearest name."""
        try:
            return self._specs[name]
        except KeyError:
            near = difflib.get_close_matches(name, self._specs, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownJob(f"No job is named {name!r}.{hint}", name=name) from None

    def __contains__(self, name: object) -> bool:
        return name in self._specs

    def names(self) -> tuple[str, ...]:
        """Return the registered names, sorted: what this process can work on."""
        return self._names

    def rated(self) -> tuple[str, ...]:
        """Return the names of those that may begin only so often."""
        return self._rated

    def specs(self) -> Mapping[str, JobSpec]:
        """Return all jobs by name."""
        return dict(self._specs)

    def _note_names(self) -> None:
        # Each claim asks for them.
        self._names = tuple(sorted(self._specs))
        self._rated = tuple(name for name in self._names if self._specs[name].rate is not None)


jobs = JobRegistry()
