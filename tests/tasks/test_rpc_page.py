"""What docs/rpc.md shows works: its example is carried out as it stands, and its answers are those of the page."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

PAGE = (Path(__file__).parents[2] / "docs" / "rpc.md").read_text()
BLOCK = re.search(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CURL = re.search(r"/api/rpc/(\w+) .*-d '(.*)'\n(.*)\n", PAGE)
BATCH = re.search(r"/api/rpc/batch +(\[.*\])\n(\[.*\])\n", PAGE)


@pytest.fixture
def client(db: None, own_declarations: None) -> Client:
    assert BLOCK is not None
    exec(compile(BLOCK[1], "docs/rpc.md", "exec"), {})
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    return client


def test_one_call(client: Client) -> None:
    assert CURL is not None
    name, arguments, result = CURL.groups()
    answer = client.post(f"/api/rpc/{name}", arguments, content_type="application/json")
    assert (answer.json(), answer["Content-Type"]) == (json.loads(result), "application/json")


def test_several_at_once(client: Client) -> None:
    assert BATCH is not None
    calls, results = BATCH.groups()
    assert client.post("/api/rpc/batch", calls, content_type="application/json").json() == json.loads(results)
