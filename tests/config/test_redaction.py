"""No log shows the token of a callback."""

import io
import logging
import logging.config
import sys
import uuid
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from config.redaction import ACCESS_LOGS, RedactingFormatter
from processes.services.callback_tokens import token_of

TOKEN = token_of(uuid.uuid4())


def formatted(record: logging.LogRecord) -> str:
    return RedactingFormatter("{levelname} {message}", style="{").format(record)


def test_a_line_of_the_log_hides_tokens_in_its_text_its_arguments_and_its_traceback() -> None:
    try:
        raise ValueError(f"no {TOKEN}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, f"Not Found: %s {TOKEN}", (TOKEN,), sys.exc_info())
    text = formatted(record)
    assert TOKEN not in text
    assert "Not Found: cb1_••• cb1_•••" in text
    assert "ValueError: no cb1_•••" in text


def test_every_handler_of_the_settings_writes_without_tokens() -> None:
    formatters = settings.LOGGING["formatters"]
    for handler in settings.LOGGING["handlers"].values():
        assert formatters[handler["formatter"]]["()"] == "config.redaction.RedactingFormatter"


@pytest.mark.parametrize("name", ACCESS_LOGS)
def test_a_servers_access_log_tells_requests_without_their_tokens(name: str) -> None:
    """As uvicorn writes it: an own handler, whose formatter takes the arguments by their places."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        logger.error('%s - "%s %s HTTP/%s" %d', "127.0.0.1:9", "POST", f"/api/callbacks/{TOKEN}/", "1.1", 200)
    finally:
        logger.removeHandler(handler)
    assert written.getvalue() == '127.0.0.1:9 - "POST /api/callbacks/cb1_•••/ HTTP/1.1" 200\n'


@pytest.mark.django_db
def test_what_django_tells_of_a_request_that_is_refused_has_no_token(client: Client, capfd: Any) -> None:
    logging.config.dictConfig(settings.LOGGING)
    assert client.get(f"/api/callbacks/{TOKEN}/").status_code == 404
    assert client.put(f"/api/callbacks/{TOKEN}/").status_code == 405
    told = capfd.readouterr().err
    assert "Not Found" in told
    assert "Method Not Allowed" in told
    assert TOKEN not in told
