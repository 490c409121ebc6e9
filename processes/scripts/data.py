"""Task scripts that keep, fetch and change the data of a process."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.errors import PermanentError
from processes.models import DataNode
from processes.registry import task_script
from processes.services import data_nodes
from processes.services.host import caller_of, submitted_values

#: The attribute that holds the reference of the current data node.
DATA_NODE = "dataNode"


class SaveDataConfig(BaseModel):
    """Configure `save_data`."""

    model_config = ConfigDict(extra="forbid")

    node: Literal["temporary", "context"] = Field(
        "temporary", description="A temporary node expires; the context node belongs to the executed instance."
    )


class LoadDataConfig(BaseModel):
    """Configure `load_data`."""

    model_config = ConfigDict(extra="forbid")

    reference: str | None = Field(None, description="The data node; by default the request's, else the current one.")


class SetDataConfig(BaseModel):
    """Configure `set_data`."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, JSON] = Field(default_factory=dict, description='Values by key; "a.b" sets b inside a.')
    remove: list[str] = Field(default_factory=list, description='Keys to remove; "a.b" removes b inside a.')


@task_script("save_data", config=SaveDataConfig, aliases=("saveData", "Save data"))
def save_data(app: Application) -> str:
    """Save the data to the current data node, or to a new one; return its reference, and set it as `dataNode`."""
    config: SaveDataConfig = app.config
    if config.node == "context":
        raise PermanentError(
            'There is no context node here: nothing is being executed that has data of its own. Use "temporary".',
            code="no_context_node",
        )
    return keep_data(app).reference


@task_script("load_data", config=LoadDataConfig, aliases=("loadData", "Load data"))
def load_data(app: Application) -> None:
    """Replace the data by what a data node holds, and set `dataNode`.

    What this request's form has just brought is put on top, so that loading never undoes it. Raises
    DataNodeNotFoundError where there is no such node for the caller.
    """
    config: LoadDataConfig = app.config
    current = app.get(DATA_NODE)
    reference = config.reference or app.request.data_reference or current
    node = data_nodes.load_data_node(caller=caller_of(app), reference=str(reference or ""))
    app.data.clear()
    app.data.update(node.data)
    app.data.update(submitted_values(app))
    app.set(DATA_NODE, node.reference)


@task_script("delete_data_node", aliases=("deleteDataNode", "Delete data node"))
def delete_data_node(app: Application) -> None:
    """Delete the data node that `dataNode` names; one that is gone already is fine."""
    reference = app.get(DATA_NODE)
    if isinstance(reference, str):
        data_nodes.delete_data_node(caller=caller_of(app), reference=reference)
        app.remove(DATA_NODE)


@task_script("set_data", config=SetDataConfig, effect="pure", aliases=("setData",))
def set_data(app: Application) -> None:
    """Set and remove values in the data."""
    config: SetDataConfig = app.config
    for path, value in config.values.items():
        holder, key = _holder_of(app.data, path, create=True)
        holder[key] = value
    for path in config.remove:
        holder, key = _holder_of(app.data, path, create=False)
        holder.pop(key, None)


def keep_data(app: Application, *, step: str | None = None) -> DataNode:
    """Save the data to the current data node, or to a new one that becomes the current one; return it.

    `step` names the form that is about to be shown.
    """
    caller = caller_of(app)
    reference = app.get(DATA_NODE)
    if isinstance(reference, str):
        return data_nodes.save_data_node(caller=caller, reference=reference, data=app.data, step=step)
    node = data_nodes.create_data_node(caller=caller, data=app.data, step=step or "")
    app.set(DATA_NODE, node.reference)
    return node


def _holder_of(data: dict[str, JSON], path: str, *, create: bool) -> tuple[dict[str, JSON], str]:
    *outer, last = path.split(".")
    holder = data
    for key in outer:
        inner = holder.setdefault(key, {}) if create else holder.get(key, {})
        if not isinstance(inner, dict):
            raise PermanentError(f'"{path}" can\'t be reached: "{key}" holds no object.', code="no_object")
        holder = inner
    return holder, last
