"""Task scripts that spread work over runs of its own, and bring it together again."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Manager, QuerySet
from django.utils.translation import ngettext
from pydantic import BaseModel, ConfigDict, Field, model_validator

from processes.domain.application import Application
from processes.domain.bindings import REF
from processes.domain.conditions import ConditionSource, LoopConditionSource, compile_condition, variables_of
from processes.domain.directives import Park
from processes.domain.entrances import Entrance, entrance_at_action
from processes.domain.json_values import JSON, Path, copy_json
from processes.domain.plan import Plan
from processes.domain.scripts import Example
from processes.domain.tables import Format
from processes.errors import NotFoundError, PermanentError
from processes.models import FanOut
from processes.registry import querysets, task_script
from processes.services.fan_out import add_pieces, begin, open_fan_out, set_total
from processes.services.host import acting_user, caller_of, host_of
from processes.services.lending import check_bound
from processes.services.pieces import Piece, store_pieces
from processes.services.tables import read_rows
from tasks import progress

__all__ = ["CHILDREN", "ForEachConfig", "RunParallelConfig"]

#: Why a run waits whose child runs are at work.
CHILDREN: Final = "children"
MAX_BRANCHES: Final = 100
MAX_CONCURRENCY: Final = 1_000
MAX_BATCH: Final = 10_000

Concurrency: TypeAlias = Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BranchConfig(_Config):
    """Say what a branch runs: an action of this process and what follows it, or another process."""

    action: str | None = Field(None, description="The action at which it begins.")
    process: str | dict[str, JSON] | None = Field(
        None, description='Another process: "${reference}", or a reference of the bindings.'
    )
    condition: ConditionSource | None = Field(
        None, alias="if", description="Only where this holds there is this branch, as in `data.total > 100`."
    )

    @model_validator(mode="after")
    def _check_either(self) -> Self:
        if self.action is None and self.process is None:
            raise ValueError("Say what it runs: an `action`, a `process`, or a process and the action to enter it at")
        return self


class RunParallelConfig(_Config):
    """Configure `run_parallel`."""

    branches: dict[str, str | BranchConfig] = Field(
        min_length=1,
        max_length=MAX_BRANCHES,
        description="The branches by name; a text names the action at which one begins.",
    )
    join: Literal["all", "any"] | int = Field(
        "all", description="How many branches must complete before the run goes on: all of them, any one, or so many."
    )
    losers: Literal["cancel", "leave"] = Field(
        "cancel", description="What becomes of the branches that aren't needed any more."
    )
    failures: Literal["stop", "tolerate"] = Field(
        "stop", description="Where all branches are needed: whether one that fails ends the others, and the action."
    )
    concurrency: Concurrency = Field(MAX_BRANCHES, description="How many branches are at work at once.")
    wait: bool = Field(True, description="Whether the run waits for its branches; else it goes on at once.")
    input: list[str] | None = Field(None, description="The keys of data that each branch gets; all where absent.")
    collect: list[str] = Field(default_factory=list, description="The keys of a branch's data that its result holds.")
    into: str = Field("branches", min_length=1, description="The key in data for what has come of the branches.")

    @model_validator(mode="after")
    def _check_join(self) -> Self:
        if isinstance(self.join, int) and not 1 <= self.join <= len(self.branches):
            raise ValueError(f"`join` is from 1 to {len(self.branches)}, the number of branches")
        return self


class FileSource(_Config):
    """Name a stored file whose rows are the items."""

    file: dict[str, JSON] = Field(description='The stored file, such as "%{data:upload}".')
    format: Format | None = Field(None, description="csv, xlsx or jsonl; found from content and name where absent.")
    sheet: str | None = Field(None, description="Of a workbook: the sheet's name; the first one where absent.")


class QuerysetSource(_Config):
    """Name a queryset that code has registered; the items are its values."""

    queryset: str | dict[str, JSON] = Field(description="The name under which it is registered.")


class ForEachConfig(_Config):
    """Configure `for_each`."""

    items: list[JSON] | FileSource | QuerysetSource = Field(
        description='What is gone through: a list ("%{data:rows}"), {"file": …} or {"queryset": …}.'
    )
    action: str | None = Field(None, description="The action of this process at which each item begins.")
    process: str | dict[str, JSON] | None = Field(
        None, description='Or the process that each item runs: "${reference}", or a reference of the bindings.'
    )
    condition: LoopConditionSource | None = Field(
        None, alias="if", description="Only items for which this holds, as in `item.total > 100`."
    )
    item: str = Field("item", min_length=1, description="The key of data under which an item is found; its number is "
                      "in `index`.")  # fmt: skip
    input: list[str] = Field(default_factory=list, description="The keys of data that each item gets besides.")
    concurrency: Concurrency = Field(8, description="How many runs are at work at once.")
    wait: bool = Field(True, description="Whether the run waits for the items; else it goes on at once.")
    batch: int = Field(1, ge=1, le=MAX_BATCH, description="How many items one run works off, one after the other.")
    failures: Literal["stop", "tolerate"] | int = Field(
        "stop", description="Whether a failure ends the action, is tolerated, or so many are."
    )
    collect: list[str] = Field(default_factory=list, description="The keys of an item's data that its result holds.")
    into: str | None = Field(None, min_length=1, description="The key in data for the results, in the items' order.")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if self.action is None and self.process is None:
            raise ValueError("Say what each item runs: an `action` or a `process`")
        if isinstance(self.failures, int) and self.failures < 0:
            raise ValueError("`failures` is a number from 0 on, `stop` or `tolerate`")
        return self


class AddItemsConfig(_Config):
    """Configure `add_items`."""

    items: list[JSON] = Field(description='The items to add, such as "%{data:found}".')


def _parts_of_branches(config: Mapping[str, Any]) -> Iterator[Entrance]:
    branches = config.get("branches")
    for name, branch in branches.items() if isinstance(branches, dict) else ():
        place: Path = ("branches", name)
        if isinstance(branch, str):
            yield Entrance(path=place, action=branch)
        elif isinstance(branch, dict):
            yield from (replace(part, path=(*place, *part.path)) for part in _parts_of_items(branch))


def _parts_of_items(config: Mapping[str, Any]) -> Iterator[Entrance]:
    # Beside a process, the action is one of that.
    return entrance_at_action(config) if config.get("process") is None else iter(())


@task_script(
    "run_parallel",
    config=RunParallelConfig,
    durable=True,
    parts=_parts_of_branches,
    aliases=("runParallel",),
    example=Example(
        definition=[
            {
                "name": "ask",
                "script": "run_parallel",
                "config": {"branches": {"stock": "ask_stock", "credit": "ask_credit"}, "collect": ["answer"]},
            },
            {"name": "decide", "script": "noop", "next": False},
            {"name": "ask_stock", "script": "set_data", "config": {"values": {"answer": "there"}}, "next": False},
            {"name": "ask_credit", "script": "set_data", "config": {"values": {"answer": "good"}}, "next": False},
        ],
    ),
    errors={"piece_failed": "a branch has failed, or too few can still complete; `fields` hold the `errors`"},
)
def run_parallel(app: Application) -> Park | None:
    """Run branches side by side, each as a run of its own, and wait until enough of them have completed.

    Branches have no order among them. Each begins with a copy of the data, and what it changes is its own: `collect`
    says what its result holds. `data.branches` then has {"total", "completed", "failed", "results": {branch: {"status",
    "result"}}, "errors"}. The state is `complete`; `partial` where some have failed; `empty` where no condition held;
    where any one was enough, the name of that branch; `begun` where the run doesn't wait.
    """
    config: RunParallelConfig = app.config
    branches = {
        name: branch if isinstance(branch, BranchConfig) else BranchConfig.model_validate({"action": branch})
        for name, branch in config.branches.items()
    }
    pieces = [Piece(target=_target(app, branch), name=name) for name, branch in branches.items() if _holds(app, branch)]
    total = len(pieces)
    asked = 1 if config.join == "any" else total if config.join == "all" else int(config.join)
    # All that there are, which names none of them, also where conditions have left but one.
    needed = None if config.join == "all" or asked > total else asked
    tolerates = (needed is not None and needed < total) or config.failures == "tolerate"
    return _spread(
        app,
        pieces,
        told=_branches,
        wait=config.wait,
        input=dict(app.data) if config.input is None else _chosen(app, config.input),
        collect=config.collect,
        into=config.into,
        concurrency=config.concurrency,
        needed=needed,
        failures_allowed=None if tolerates else 0,
        losers=FanOut.Losers(config.losers),
    )


@task_script(
    "for_each",
    config=ForEachConfig,
    durable=True,
    parts=_parts_of_items,
    aliases=("forEach",),
    example=Example(
        definition=[
            {
                "name": "each",
                "script": "for_each",
                "config": {"items": "%{data:rows}", "action": "check", "batch": 100, "into": "checked"},
            },
            {"name": "show", "script": "noop", "next": False},
            {"name": "check", "script": "noop", "next": False},
        ],
    ),
    errors={
        "piece_failed": "more items have failed than may; `fields` hold the first `errors`",
        "condition": "`if` came to no answer for an item",
    },
)
def for_each(app: Application) -> Park | None:
    """Run an action, or a process, for each item of a list, row of a file or object of a queryset; wait for all.

    Each run has a checkpoint after each action, finds its item in `data.item` and the number in `data.index`, and
    works off `batch` items. However many there are, so many runs are at work at once as `concurrency` says, and only
    those are in the queue. With `into` the data get {"total", "completed", "failed", "results", "errors"}. The state is
    `empty`, `complete`, or `partial` where some have failed; `begun` where the run doesn't wait.
    """
    config: ForEachConfig = app.config
    target = _target(app, BranchConfig.model_validate({"action": config.action, "process": config.process}))
    allowed = {"stop": 0, "tolerate": None}.get(str(config.failures), config.failures)
    with _items(app, config) as items:
        return _spread(
            app,
            (Piece(target=target, item=item) for item in _wanted(app, config, items)),
            told=_counted_items,
            wait=config.wait,
            input=_chosen(app, config.input),
            item_key=config.item,
            collect=config.collect,
            into=config.into or "",
            batch_size=config.batch,
            concurrency=config.concurrency,
            failures_allowed=allowed,
        )


@task_script(
    "add_items",
    config=AddItemsConfig,
    effect="transactional",
    durable=True,
    aliases=("addItems",),
    example=Example(
        definition=[
            {
                "name": "each",
                "script": "for_each",
                "config": {"items": ["/"], "action": "visit", "item": "path"},
                "next": False,
            },
            {"name": "visit", "script": "noop"},
            {"name": "go_deeper", "script": "add_items", "config": {"items": "%{data:found}"}, "next": False},
        ],
    ),
    errors={"no_loop": "the run works off no item of a `for_each`", "joined": "what it is a part of has ended"},
)
def add_items(app: Application) -> None:
    """Add items to the `for_each` whose item this run works off; the run that waits for them waits for these too."""
    config: AddItemsConfig = app.config
    add_pieces(run_id=uuid.UUID(app.get("run_id")), items=config.items)


def _spread(
    app: Application, pieces: Iterable[Piece], *, told: Callable[[int], str], wait: bool, **columns: Any
) -> Park | None:
    """Store the pieces, however often this is begun anew, and wait for them; they begin when the run waits.

    `told` says in words how many there are.
    """
    run_id, ordinal = uuid.UUID(app.get("run_id")), app.ordinal
    fan_out = open_fan_out(run_id=run_id, ordinal=ordinal, authority=app.authority, awaited=wait, **columns)
    total, hold = 0, host_of(app).hold
    for total in store_pieces(fan_out, pieces, hold=hold):
        progress(message=told(total))
        app.check_cancelled()
    total = set_total(fan_out, total, needed=columns.get("needed"), hold=hold)
    if not total:
        app.state = "empty"
        if columns["into"]:
            none: JSON = [] if columns.get("item_key") else {}
            app.data[columns["into"]] = {"total": 0, "completed": 0, "failed": 0, "results": none, "errors": []}
        return None
    if wait:
        return Park(reason=CHILDREN, facts={"total": total})
    begin(run_id, ordinal=ordinal)
    app.state = "begun"
    return None


def _branches(count: int) -> str:
    return ngettext("%(count)s branch", "%(count)s branches", count) % {"count": intcomma(count)}


def _counted_items(count: int) -> str:
    return ngettext("%(count)s item", "%(count)s items", count) % {"count": intcomma(count)}


def _holds(app: Application, branch: BranchConfig) -> bool:
    return branch.condition is None or compile_condition(branch.condition).evaluate(variables_of(app))


def _target(app: Application, branch: BranchConfig) -> Mapping[str, JSON]:
    """Return what a piece runs: a process from its beginning or an action, or actions of the running process."""
    if branch.process is None:
        plan = app.process
        assert plan is not None
        if branch.action not in plan.by_name:
            raise NotFoundError(f'"{plan.name}" declares no action "{branch.action}"', fields={"action": branch.action})
        return {"plan": plan.hash, "entry": branch.action, "bare": True}
    target = branch.process
    if app.authority is not None:
        # With the rights of somebody else nothing runs that a request or data have chosen.
        check_bound(app, target)
    if isinstance(target, str) and not (app.process is not None and target in app.process.bindings):
        target = {REF: "process", "name": target, "reference": target}
    found = app.resolve(target)
    if not isinstance(found, Plan):
        raise NotFoundError(f'"{found.name}" is a script: only a process or an action can be run like this')
    return {"plan": found.hash, **({} if branch.action is None else {"entry": branch.action})}


def _chosen(app: Application, keys: list[str]) -> dict[str, JSON]:
    return {key: copy_json(app.data[key]) for key in keys if key in app.data}


def _wanted(app: Application, config: ForEachConfig, items: Iterable[JSON]) -> Iterator[JSON]:
    """Give the items for which the condition holds."""
    if config.condition is None:
        yield from items
        return
    condition = compile_condition(config.condition, loop=True)
    for index, item in enumerate(items):
        if condition.evaluate(variables_of(app, item=item, index=index)):
            yield item


def _items(app: Application, config: ForEachConfig) -> AbstractContextManager[Iterable[JSON]]:
    source = config.items
    if isinstance(source, FileSource):
        return _rows(app, source)
    return _listed(source if isinstance(source, list) else _objects(app, source))


@contextmanager
def _listed(items: Iterable[JSON]) -> Iterator[Iterable[JSON]]:
    yield items


@contextmanager
def _rows(app: Application, source: FileSource) -> Iterator[Iterable[JSON]]:
    rows = read_rows(source.file, caller=caller_of(app), format=source.format, sheet=source.sheet)
    yield (dict(row) for row in rows)


def _objects(app: Application, source: QuerysetSource) -> Iterable[JSON]:
    """Give the values of a queryset's objects, in an order that stays the same, without holding them all."""
    named = source.queryset
    name = named if isinstance(named, str) else str(named.get("name", ""))
    spec = querysets.get(name)
    get: Callable[[Any], Any] = spec.function
    found = get(acting_user(app))
    rows = found.all() if isinstance(found, Manager) else found
    if not isinstance(rows, QuerySet):
        raise PermanentError(f'The queryset "{name}" isn\'t one', code="queryset")
    for value in rows.order_by(spec.value).values_list(spec.value, flat=True).iterator(chunk_size=1_000):
        yield value if isinstance(value, str | int | float | bool) else str(value)
