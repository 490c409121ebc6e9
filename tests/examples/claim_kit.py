"""Claims that were handed in, for tests of what becomes of them; the real process, rules and type of the example."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from processes.models import InstanceType, ProcessInstance, Run
from processes.services.access import Caller
from processes.services.authoring.instance_types import save_instance_type
from processes.services.files import store_file
from processes.services.instances import context_node_of, create_instance
from tests.processes.services.conftest import RunKit
from tests.processes.services.real_servers import Reply, WebServer, web_server

__all__ = ["ClaimKit", "payment_desk"]

PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"


class ClaimKit:
    """Hand claims in, decide about them as the pages do, and let the background work."""

    def __init__(self, *, payment_url: str = "http://127.0.0.1:9/orders/") -> None:
        call_command("load_examples", verbosity=0)
        self.type = InstanceType.objects.get(slug="expense-claim")
        self.type.bindings = {"payment_url": {"value": payment_url}}
        save_instance_type(type=self.type)
        self.mara = self.person("mara")

    @staticmethod
    def person(name: str, *groups: str) -> User:
        user = User.objects.create_user(name, f"{name}@example.com")
        user.groups.add(*(Group.objects.get(name=group) for group in groups))
        return user

    def claim(self, *, owner: User | None = None, amount: str = "250.00", **changes: Any) -> ProcessInstance:
        """Return a claim with a receipt that its owner has handed in."""
        owner = owner or self.mara
        caller = Caller(user_id=owner.pk)
        receipt = store_file(content=PDF, name="train.pdf", content_type="application/pdf", caller=caller)
        data = {
            "title": "Train to Graz",
            "category": "Train or bus",
            "purpose": "The workshop.",
            "date": (timezone.localdate() - timedelta(days=3)).isoformat(),
            "amount": amount,
            "currency": "EUR",
            "tax": None,
            "receipts": [receipt],
            "note": "",
            **changes,
        }
        claim = create_instance(
            type=self.type,
            owner=owner,
            actor=owner,
            title="Train to Graz",
            status="submitted",
            data=data,
            caller=caller,
        )
        claim.refresh_from_db()
        return claim

    @staticmethod
    def browser(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    def post(self, user: User, claim: ProcessInstance, action: str, **values: Any) -> Any:
        """Do as a button on the claim's page does."""
        return self.browser(user).post(address(claim), {"action": action, **values})

    def options(self, user: User, claim: ProcessInstance) -> set[str]:
        """Return what the claim's page offers somebody; nothing where they may not open it."""
        shown = self.browser(user).get(address(claim))
        if shown.status_code != 200:
            return set()
        frame = shown.context["frame"]
        return {option.action for _group, options in frame.groups for option in options if option.action}

    @staticmethod
    def status(claim: ProcessInstance) -> str:
        return ProcessInstance.objects.get(pk=claim.pk).status

    @staticmethod
    def data(claim: ProcessInstance) -> dict[str, Any]:
        return dict(context_node_of(claim).data)

    @staticmethod
    def runs(claim: ProcessInstance) -> list[Run]:
        return list(Run.objects.filter(instance=claim).order_by("created_at", "pk"))

    @staticmethod
    def work() -> None:
        RunKit.work()


def address(claim: ProcessInstance) -> str:
    return f"/instances/{claim.pk}/"


@contextmanager
def payment_desk(settings: Any) -> Iterator[WebServer]:
    """Stand where the payment worker does: take orders, and leave it to the test what is reported."""
    settings.STEPLINE_OUTBOUND_HOSTS = ("127.0.0.1",)
    settings.STEPLINE_OUTBOUND_PRIVATE = ("127.0.0.1",)
    with web_server() as server:
        server.on("/orders/", Reply(status=202, body=b"{}", headers={"Content-Type": "application/json"}))
        yield server
