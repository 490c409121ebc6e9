"""Claims are paid by the worker as a program of its own, against a real server; it is killed in the middle, too."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from processes.models import Callback, ProcessInstance
from tests.config.conftest import Program
from tests.examples.claim_kit import ClaimKit
from tests.processes.services.conftest import kit  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("kit")


@contextmanager
def worker(
    live_server: LiveServer, folder: Path, *, seconds: float = 0.3, port: int = 0
) -> Iterator[tuple[Program, int]]:
    """Run the worker, and return it with the port on which it takes orders."""
    command = [sys.executable, "-m", "examples.expense_claim.payment_worker", "--stepline", live_server.url]
    options = ["--folder", str(folder), "--port", str(port), "--seconds", str(seconds)]
    program = Program([*command, *options])
    try:
        yield program, int(program.wait_for(r"^payments are ordered at http://127\.0\.0\.1:(\d+)/orders/")[1])
    finally:
        program.close()


@pytest.fixture(autouse=True)
def _reachable(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.STEPLINE_OUTBOUND_HOSTS = settings.STEPLINE_OUTBOUND_PRIVATE = ("127.0.0.1",)


def ordered(port: int, amount: str = "250.00") -> tuple[ClaimKit, ProcessInstance]:
    """Return a claim that was approved, and whose payment was ordered of the worker."""
    claims = ClaimKit(payment_url=f"http://127.0.0.1:{port}/orders/")
    claim = claims.claim(amount=amount)
    claims.post(claims.person("paul", "approvers"), claim, "approve")
    claims.work()
    assert claims.status(claim) == "in payment"
    return claims, claim


def test_the_worker_pays_and_hands_over_a_slip(live_server: LiveServer, tmp_path: Path) -> None:
    with worker(live_server, tmp_path / "desk") as (program, port):
        claims, claim = ordered(port)
        number = program.wait_for(r"^([0-9a-f]{16}): paid$")[1]
    claims.work()

    assert claims.status(claim) == "paid"
    payment = claims.data(claim)["payment"]
    assert payment["reference"] == f"PAY-{number}"
    answer = claims.browser(claims.mara).get(f"/files/{payment['slip']['id']}/")
    slip = b"".join(answer.streaming_content).decode()
    for part in (f"PAY-{number}", "mara", "250.00 EUR", "Train to Graz", "train.pdf"):
        assert part in slip
    assert Callback.objects.get().response["percent"] == 100
    assert [path.name for path in (tmp_path / "desk/paid").iterdir()] == [number]
    assert list((tmp_path / "desk/orders").iterdir()) == []


def test_what_the_worker_refuses_is_undone(live_server: LiveServer, tmp_path: Path) -> None:
    with worker(live_server, tmp_path) as (program, port):
        claims, claim = ordered(port, amount="5000.01")
        program.wait_for("refused$")
    claims.work()
    assert claims.status(claim) == "payment failed"
    assert claims.runs(claim)[0].status == "compensated"
    assert list((tmp_path / "paid").iterdir()) == []


def test_a_worker_that_is_killed_in_the_middle_goes_on_and_pays_once(live_server: LiveServer, tmp_path: Path) -> None:
    with worker(live_server, tmp_path, seconds=600) as (program, port):
        claims, claim = ordered(port)
        program.wait_for("25 %$")
        program.process.send_signal(signal.SIGKILL)
        program.process.wait()
    assert Callback.objects.get().ended_at is None
    assert list((tmp_path / "paid").iterdir()) == []

    with worker(live_server, tmp_path, seconds=0) as (program, _port):
        number = program.wait_for(r"^([0-9a-f]{16}): paid$")[1]
    claims.work()
    assert claims.status(claim) == "paid"
    assert [path.name for path in (tmp_path / "paid").iterdir()] == [number]


def test_a_worker_that_is_killed_after_it_has_paid_doesnt_pay_again(live_server: LiveServer, tmp_path: Path) -> None:
    with worker(live_server, tmp_path, seconds=600) as (program, port):
        claims, claim = ordered(port)
        program.wait_for("25 %$")
        program.process.send_signal(signal.SIGKILL)
        program.process.wait()
    (order,) = (tmp_path / "orders").iterdir()
    # As if it had died between the payment and its report.
    paid = tmp_path / "paid" / order.name
    paid.write_text("paid the first time")

    with worker(live_server, tmp_path, seconds=0) as (program, _port):
        program.wait_for(f"^{order.name}: paid$")
    claims.work()
    assert claims.status(claim) == "paid"
    assert paid.read_text() == "paid the first time"


def test_an_order_that_nobody_takes_is_tried_again_later(live_server: LiveServer) -> None:
    claims = ClaimKit(payment_url="http://127.0.0.1:9/orders/")
    claim = claims.claim(amount="12.00")
    claims.work()
    (run,) = claims.runs(claim)
    assert claims.status(claim) == "in payment"
    assert run.waiting_for["code"] == "retry"
    assert run.waiting_for["attempt"] == 1
