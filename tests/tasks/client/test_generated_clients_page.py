"""What docs/generated_clients.md shows is what is written, and its programs run."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from processes.services.offering import offered_processes
from tasks.client import Client
from tasks.domain.client_code import Surface, write_python, write_typescript
from tasks.domain.meta import metas
from tasks.services.client_surface import read_surface
from tests.processes.services.published import action, page, publish_process

PAGE = (Path(__file__).parents[3] / "docs" / "generated_clients.md").read_text()
DECLARED, USED = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(TYPESCRIPT,) = re.findall(r"^```typescript\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = {"count_contacts", "export_contacts", "csv-import"}


@pytest.fixture
def site(transactional_db: None, own_declarations: None) -> Surface:
    """Return what the page's site offers."""
    module = ModuleType("page")
    exec(compile(DECLARED, "docs/generated_clients.md", "exec"), module.__dict__)
    template = publish_process(
        "csv-import",
        [action("read", "set_data", config={"values": {"file": "%{param:file}"}}), page("show", "%{data:file}")],
    )
    template.title = "Import contacts"
    template.save()
    assert [offer.name for offer in offered_processes()] == ["csv-import"]
    surface = read_surface()
    metas.remove(module.__dict__["ExportMeta"])
    return Surface(offered=[offered for offered in surface.offered if offered.name in SHOWN])


def test_the_typescript_is_what_is_written(site: Surface) -> None:
    head, _, text = write_typescript(site).partition("\n\n")
    assert head.startswith("//")
    assert text == TYPESCRIPT


def test_the_python_runs(site: Surface, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    client = ModuleType("site_client")
    exec(compile(write_python(site), "site_client.py", "exec"), client.__dict__)
    client.__dict__["Client"] = Told
    monkeypatch.setitem(sys.modules, "site_client", client)
    exec(compile(USED, "docs/generated_clients.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["3", "taskStart", "taskEnd", "3", "7"]


class Told(Client):
    """A site that answers as the page's would."""

    def __init__(self) -> None:
        super().__init__("http://stepline.test", transport=_transport())


def _transport() -> httpx.MockTransport:
    task_id = "0193aaaa-0000-7000-8000-000000000000"
    log = [
        {"v": 1, "seq": 1, "type": "taskStart", "taskId": task_id, "title": "Export"},
        {"v": 1, "seq": 2, "type": "taskEnd", "taskId": task_id, "result": {"rows": 7}},
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/rpc/count_contacts":
            return httpx.Response(200, json=3)
        if request.method == "POST":
            return httpx.Response(200, json={"job_id": task_id})
        body = "".join(f"id: {update['seq']}\ndata: {json.dumps(update)}\n\n" for update in log)
        return httpx.Response(200, text=body, headers={"content-type": "text/event-stream"})

    return httpx.MockTransport(answer)
