"""Requests and mail in durable runs: each step has a name that outside systems can know it by."""

from processes.domain.outside import Answer, Mail, OutboundRequest
from processes.services import host
from tests.processes.services.conftest import RunKit


class Noting:
    """Stand at the border and note what would leave."""

    def __init__(self) -> None:
        self.requests: list[OutboundRequest] = []
        self.mails: list[Mail] = []

    def request(self, request: OutboundRequest) -> Answer:
        self.requests.append(request)
        return Answer(status=200, json={})

    def send(self, mail: Mail) -> None:
        self.mails.append(mail)


def test_a_request_bears_the_name_of_its_step(kit: RunKit, monkeypatch):
    noting = Noting()
    monkeypatch.setattr(host, "live_outside", lambda: noting)
    config = {"url": "https://api.example.com", "method": "POST"}
    steps = [{"name": name, "script": "http_request", "config": config} for name in ("first", "second")]
    run_id = kit.start({"name": "go", "script": "execute_in_background"}, *steps)
    kit.work()
    keys = [request.headers["Idempotency-Key"] for request in noting.requests]
    assert len(set(keys)) == 2
    assert all(str(run_id) in key for key in keys)


def test_a_mail_bears_the_same_id_in_every_attempt(kit: RunKit, monkeypatch):
    noting = Noting()
    monkeypatch.setattr(host, "live_outside", lambda: noting)
    config = {"to": "ann@example.com", "subject": "Hello", "text": "Hi."}

    def send_twice(app) -> None:
        for _ in range(2):
            app.call("send_email", config=config)

    kit.start({"name": "send", "script": kit.script(send_twice)})
    kit.work()
    ids = [mail.message_id for mail in noting.mails]
    assert len(ids) == 2
    assert len(set(ids)) == 1
