"""The Python client: start tasks of a site, follow them, call its functions. It needs no Django.

task = Task(task_template="csv-import", input={"file": "airports.csv"})
for update in task.sync.updates:
    print(update["type"], update["context"].result)
"""

from tasks.client.client import Client, Watch, watch_tasks
from tasks.client.errors import (
    BadAnswer,
    ClientError,
    Conflict,
    ConnectionLost,
    Forbidden,
    InvalidArguments,
    InvalidToken,
    NotConfigured,
    NotFound,
    Refused,
    ServerFault,
    SignInRequired,
    TaskAborted,
    TaskFailed,
    TooBusy,
)
from tasks.client.site import Call
from tasks.client.task import SyncTask, Task
from tasks.client.updates import NodeReference, Update
from tasks.client.watching import TaskList, TaskSummary

__all__ = [
    "BadAnswer",
    "Call",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionLost",
    "Forbidden",
    "InvalidArguments",
    "InvalidToken",
    "NodeReference",
    "NotConfigured",
    "NotFound",
    "Refused",
    "ServerFault",
    "SignInRequired",
    "SyncTask",
    "Task",
    "TaskAborted",
    "TaskFailed",
    "TaskList",
    "TaskSummary",
    "TooBusy",
    "Update",
    "Watch",
    "watch_tasks",
]
