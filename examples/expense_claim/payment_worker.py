"""An outside worker that pays expense claims: a program of its own, which needs neither Django nor Stepline.

    python -m examples.expense_claim.payment_worker --stepline http://127.0.0.1:8000 --folder /var/lib/payments

It takes orders over HTTP (`POST /orders/`), keeps each as a file until it is done, pretends to pay, and reports how it
gets on to the callback whose token came with the order. Where it is killed it goes on with what lies in its folder:
each payment is made once, and each report counts once, however often it is sent.
"""

import argparse
import hashlib
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

__all__ = ["Desk", "Reporter", "main"]

_MAX_BYTES: Final = 1024 * 1024
_BOUNDARY: Final = "remittance-slip-7f3a"
#: Statuses of an answer after which a report is worth another try, and the longest wait before one.
_PASSING: Final = (408, 425, 429)
_LONGEST_WAIT: Final = 5.0
_STEPS: Final = ((25, "Checking the account"), (50, "Waiting for the bank"), (75, "Booking"))


class OverError(Exception):
    """Say that nobody waits for the report any more: the callback has ended, or is gone."""


class Reporter:
    """Report to callbacks, again and again until there is an answer."""

    def __init__(self, stepline: str) -> None:
        self._url = f"{stepline.rstrip('/')}/api/callbacks/"

    def report(self, token: str, action: str, data: dict[str, Any], *, key: str, slip: str = "") -> None:
        """Send a report under a key, with a slip as a file; raises OverError where nobody waits for it."""
        content = json.dumps({"action": action, "data": data}).encode()
        kind = "application/json"
        if slip:
            content, kind = _in_parts(content, slip), f"multipart/form-data; boundary={_BOUNDARY}"
        # In a header: so no proxy writes the token into its log.
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind, "Idempotency-Key": key}
        wait = 0.1
        while True:
            request = urllib.request.Request(self._url, content, headers)  # noqa: S310 - the address is the operator's
            try:
                with urllib.request.urlopen(request, timeout=30):  # noqa: S310
                    return
            except urllib.error.HTTPError as error:
                error.close()
                if error.code < 500 and error.code not in _PASSING:
                    raise OverError(f"{action} was answered with {error.code}") from error
            except OSError:
                pass  # Stepline is down; it will be back.
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)


class Desk:
    """Hold the orders in a folder, and carry them out one after the other."""

    def __init__(self, folder: Path, *, reporter: Reporter, seconds: float, refuse_above: Decimal) -> None:
        self._open, self._paid = folder / "orders", folder / "paid"
        for one in (self._open, self._paid):
            one.mkdir(parents=True, exist_ok=True)
        self._reporter, self._seconds, self._refuse_above = reporter, seconds, refuse_above
        self._news = threading.Event()

    def take(self, order: dict[str, Any], *, key: str) -> str:
        """Keep an order, and return its number; the same key is the same order. Raises ValueError for what is none."""
        _check(order)
        number = hashlib.sha256(key.encode()).hexdigest()[:16]
        if not (self._paid / number).exists():
            _write(self._open / number, order)
        self._news.set()
        return number

    def work(self) -> None:
        """Carry out what lies in the folder, for ever."""
        while True:
            self._news.clear()
            for path in sorted(self._open.iterdir(), key=lambda path: path.stat().st_mtime):
                if path.suffix != ".part":
                    self._carry_out(path)
            self._news.wait(1)

    def _carry_out(self, path: Path) -> None:
        order = json.loads(path.read_text(encoding="utf-8"))
        try:
            outcome = self._pay(path.name, order["token"], order["order"])
        except OverError as error:
            outcome = str(error)
        path.unlink()
        # Last of all: whoever reads it may take the order for done with.
        _say(f"{path.name}: {outcome}")

    def _pay(self, number: str, token: str, order: dict[str, Any]) -> str:
        self._reporter.report(token, "start", {"percent": 0, "message": "Taken"}, key=f"{number}-start")
        for percent, message in _STEPS:
            _say(f"{number}: {percent} %")
            told = {"percent": percent, "message": message}
            self._reporter.report(token, "progress", told, key=f"{number}-{percent}")
            time.sleep(self._seconds / len(_STEPS))
        if Decimal(order["amount"]) > self._refuse_above:
            told = {"message": f"The bank pays at most {self._refuse_above} {order['currency']} at once"}
            self._reporter.report(token, "error", told, key=f"{number}-error")
            return "refused"
        slip = _slip(number, order)
        # The payment itself: once, whoever was killed before or after it.
        try:
            with (self._paid / number).open("x", encoding="utf-8") as file:
                file.write(slip)
        except FileExistsError:
            pass
        told = {"percent": 100, "message": "Paid", "reference": f"PAY-{number}"}
        self._reporter.report(token, "complete", told, key=f"{number}-complete", slip=slip)
        return "paid"


def main(arguments: list[str] | None = None) -> None:
    """Take orders, and carry them out, until the program is ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stepline", default="http://127.0.0.1:8000", help="the address of Stepline")
    parser.add_argument("--folder", type=Path, required=True, help="where orders and payments are kept")
    parser.add_argument("--port", type=int, default=8700, help="the port on which orders are taken; 0 for any")
    parser.add_argument("--seconds", type=float, default=3, help="how long a payment takes")
    parser.add_argument("--refuse-above", type=Decimal, default=Decimal(5000), help="amounts that the bank refuses")
    chosen = parser.parse_args(arguments)
    reporter = Reporter(chosen.stepline)
    desk = Desk(chosen.folder, reporter=reporter, seconds=chosen.seconds, refuse_above=chosen.refuse_above)
    server = ThreadingHTTPServer(("127.0.0.1", chosen.port), _handler(desk.take))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _say(f"payments are ordered at http://127.0.0.1:{server.server_address[1]}/orders/")
    try:
        desk.work()
    except KeyboardInterrupt:
        server.shutdown()


def _handler(take: Callable[..., str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            if self.path != "/orders/" or not 0 < size <= _MAX_BYTES:
                self._answer(404 if self.path != "/orders/" else 413, {"message": "No orders are taken here."})
                return
            content = self.rfile.read(size)
            try:
                key = self.headers.get("Idempotency-Key") or hashlib.sha256(content).hexdigest()
                self._answer(202, {"number": take(json.loads(content), key=key)})
            except (ValueError, TypeError, KeyError) as error:
                self._answer(400, {"message": f"This is no order: {error}"})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Say nothing: the desk tells what it does."""

    return Handler


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _check(order: dict[str, Any]) -> None:
    if not isinstance(order["token"], str):
        raise ValueError("the token is missing")
    try:
        amount = Decimal(str(order["order"]["amount"]))
    except InvalidOperation as error:
        raise ValueError("the amount is no number") from error
    if not amount.is_finite() or amount <= 0 or not isinstance(order["order"]["currency"], str):
        raise ValueError("there is no amount")


def _write(path: Path, order: dict[str, Any]) -> None:
    """Write an order so that it is there as a whole, or not at all, whenever this program is killed."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(order, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _slip(number: str, order: dict[str, Any]) -> str:
    receipts = [str(one.get("name")) for one in order.get("receipts") or () if isinstance(one, dict)]
    return (
        f"Remittance slip PAY-{number}\n\n"
        f"To         {order.get('payee') or '-'}\n"
        f"Amount     {order['amount']} {order['currency']}\n"
        f"For        {order.get('title') or '-'}\n"
        f"Receipts   {', '.join(receipts) or '-'}\n"
    )


def _in_parts(report: bytes, slip: str) -> bytes:
    """Return a report with its slip as multipart/form-data (RFC 7578)."""
    parts = (
        (b'name="report"', b"application/json", report),
        (b'name="slip"; filename="remittance-slip.txt"', b"text/plain", slip.encode()),
    )
    border = f"--{_BOUNDARY}\r\n".encode()
    body = b"".join(
        border
        + b"Content-Disposition: form-data; "
        + name
        + b"\r\nContent-Type: "
        + kind
        + b"\r\n\r\n"
        + text
        + b"\r\n"
        for name, kind, text in parts
    )
    return body + f"--{_BOUNDARY}--\r\n".encode()


if __name__ == "__main__":
    main()
