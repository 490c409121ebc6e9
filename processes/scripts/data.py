"""Task scripts that keep, fetch and change the data of a process."""

import uuid
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.domain.scripts import Example
from processes.errors import PermanentError
from processes.models import DataNode, DataNodeKind
from processes.registry import task_script
from processes.services import data_nodes
from processes.services.data_nodes import DATA_NODE, LOADED_REVISION
from processes.services.doer import doer_of
from processes.services.host import caller_of, submitted_values


class SaveDataConfig(BaseModel):
    """Configure `save_data`."""

    model_config = ConfigDict(extra="forbid")

    node: Literal["temporary", "context"] | None = Field(
        None,
        description="A temporary node expires; the context node is the Data of the executed instance. By default that "
        "one where an instance is executed, else a temporary one.",
    )


class LoadDataConfig(BaseModel):
    """Configure `load_data`."""

    model_config = ConfigDict(extra="forbid")

    node: Literal["temporary", "context"] | None = Field(
        None,
        description="The context node is the Data of the executed instance. By default it is loaded where an instance "
        "is executed and the request brings no data of its own.",
    )
    reference: str | None = Field(None, description="The data node; by default the request's, else the current one.")


class SetDataConfig(BaseModel):
    """Configure `set_data`."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, JSON] = Field(
        description='Values by key of data; a key is taken literally: "a.b" isn\'t b inside a.'
    )


@task_script(
    "save_data",
    config=SaveDataConfig,
    aliases=("saveData", "Save data"),
    example=Example(
        definition=[
            {"name": "keep", "script": "save_data"},
            {"name": "change", "script": "set_data", "config": {"values": {"total": 0}}},
            {"name": "backAgain", "script": "load_data"},
        ],
        data={"total": 12},
        gives={"data": {"total": 12}},
    ),
    errors={
        "data_node_not_found": "the current node has expired, was deleted, or belongs to somebody else",
        "no_context_node": '`"node": "context"` where no instance is executed',
        "stale_data": "somebody else has saved the instance's Data since it was loaded here; nothing was saved",
    },
)
def save_data(app: Application) -> str:
    """Save the data, and set `dataNode` to where; return its reference.

    Where an instance is executed that is its own Data, else the current data node, or a new one. Of two executions that
    loaded an instance's Data and save it, the second fails with `stale_data`; one that never loaded it replaces it.
    """
    config: SaveDataConfig = app.config
    instance_id = caller_of(app).instance_id
    if config.node == "temporary" or (config.node is None and instance_id is None):
        return keep_data(app).reference
    node = data_nodes.save_context_node(
        _executed(instance_id),
        data=app.data,
        doer=doer_of(app),
        based_on=app.get(LOADED_REVISION),
        caller=caller_of(app),
    )
    app.set(DATA_NODE, node.reference)
    app.set(LOADED_REVISION, node.revision)
    return node.reference


@task_script(
    "load_data",
    config=LoadDataConfig,
    aliases=("loadData", "Load data"),
    example=Example(
        definition=[
            {"name": "keep", "script": "save_data"},
            {"name": "forget", "script": "set_data", "config": {"values": {"guest": "nobody"}}},
            {"name": "fetch", "script": "load_data", "config": {"reference": "%{attr:dataNode}"}},
        ],
        data={"guest": "Ada"},
        gives={"data": {"guest": "Ada"}},
    ),
    errors={
        "data_node_not_found": "there is no such node, it has expired, or it belongs to somebody else",
        "no_context_node": '`"node": "context"` where no instance is executed',
    },
)
def load_data(app: Application) -> None:
    """Replace the data by what a data node holds, and set `dataNode`.

    That is the node that the request bears, else the current one; where an instance is executed, else its own Data.

    What this request's form has just brought is put on top, so that loading never undoes it. Raises
    DataNodeNotFoundError where there is no such node for the caller.
    """
    config: LoadDataConfig = app.config
    node = _node_to_load(app, config)
    app.data.clear()
    app.data.update(node.data)
    app.data.update(submitted_values(app))
    app.set(DATA_NODE, node.reference)
    based_on = node.revision if node.kind == DataNodeKind.CONTEXT else node.based_on
    if based_on is not None:
        app.set(LOADED_REVISION, based_on)


@task_script(
    "delete_data_node",
    aliases=("deleteDataNode", "Delete data node"),
    example=Example(
        definition=[
            {"name": "keep", "script": "save_data"},
            {"name": "drop", "script": "delete_data_node"},
            {"name": "fetch", "script": "load_data"},
        ],
        data={"guest": "Ada"},
        gives={"error": "data_node_not_found"},
    ),
    errors={"context_node": "`dataNode` is the Data of the executed instance, which stays with it"},
)
def delete_data_node(app: Application) -> None:
    """Delete the data node that `dataNode` names; one that is gone already is fine."""
    reference = app.get(DATA_NODE)
    if isinstance(reference, str):
        caller = caller_of(app)
        if data_nodes.is_context_node(reference, instance_id=caller.instance_id):
            raise PermanentError(
                "The Data of an instance stays as long as the instance: save it empty instead of deleting it.",
                code="context_node",
            )
        data_nodes.delete_data_node(caller=caller, reference=reference)
        app.remove(DATA_NODE)


@task_script(
    "set_data",
    config=SetDataConfig,
    effect="pure",
    aliases=("setData",),
    example=Example(
        definition=[
            {
                "name": "note",
                "script": "set_data",
                "config": {"values": {"buyer": {"name": "%{param:name}"}, "open": True}},
            },
        ],
        data={"buyer": {"name": "Ada", "age": 36}, "total": 12},
        parameters={"name": "Grace"},
        gives={"data": {"buyer": {"name": "Grace"}, "open": True, "total": 12}},
    ),
)
def set_data(app: Application) -> None:
    """Set values in the data, key by key; what a key held before is replaced as a whole."""
    config: SetDataConfig = app.config
    app.data.update(config.values)


def keep_data(app: Application, *, step: str | None = None) -> DataNode:
    """Save the data to the current temporary node, or to a new one that becomes the current one; return it.

    `step` names the form that is about to be shown. What is entered in forms lies beside an instance's Data until the
    process saves it there.
    """
    caller, based_on = caller_of(app), app.get(LOADED_REVISION)
    reference = app.get(DATA_NODE)
    if isinstance(reference, str) and not data_nodes.is_context_node(reference, instance_id=caller.instance_id):
        return data_nodes.save_data_node(
            caller=caller, reference=reference, data=app.data, step=step, based_on=based_on
        )
    node = data_nodes.create_data_node(caller=caller, data=app.data, step=step or "", based_on=based_on)
    app.set(DATA_NODE, node.reference)
    return node


def _node_to_load(app: Application, config: LoadDataConfig) -> DataNode:
    caller, current = caller_of(app), app.get(DATA_NODE)
    if config.node == "context":
        return data_nodes.load_context_node(_executed(caller.instance_id))
    reference = str(config.reference or app.request.data_reference or current or "")
    of_instance = caller.instance_id is not None and config.node is None
    if of_instance and (not reference or data_nodes.is_context_node(reference, instance_id=caller.instance_id)):
        return data_nodes.load_context_node(_executed(caller.instance_id))
    return data_nodes.load_data_node(caller=caller, reference=reference)


def _executed(instance_id: uuid.UUID | None) -> uuid.UUID:
    if instance_id is None:
        raise PermanentError(
            'There is no context node here: no instance is being executed. Use "temporary".',
            code="no_context_node",
        )
    return instance_id
