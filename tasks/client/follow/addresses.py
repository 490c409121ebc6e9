"""Which task an address names, and at which site."""

import re
import uuid
from urllib.parse import urlsplit

from tasks.client.errors import NotConfigured

__all__ = ["task_at"]

#: Of a task's page, and of its addresses in the API; what is before it belongs to the site's own address.
_TASK = re.compile(r"(?P<site>.*?)/(?:progress|api/tasks)/(?P<task_id>[0-9a-fA-F-]{36})(?:/\w*)*/?")


def task_at(url: str) -> tuple[str, str]:
    """Return the address of the site, and the task's id; raises NotConfigured where no task is named."""
    try:
        parts = urlsplit(url.strip())
        found = _TASK.fullmatch(parts.path)
        if found is not None:
            task_id = str(uuid.UUID(found["task_id"]))
            return parts._replace(path=found["site"], query="", fragment="").geturl(), task_id
    except ValueError:
        pass
    raise NotConfigured(
        "This is the address of no task: give that of its page (https://example.com/progress/<id>/) or of its API "
        "(https://example.com/api/tasks/<id>/)."
    )
