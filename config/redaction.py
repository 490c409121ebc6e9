"""Keep tokens out of logs: they stand in addresses, and so in what servers and Django say of requests."""

import logging

from processes.domain.callback_tokens import redact

__all__ = ["ACCESS_LOGS", "RedactTokens", "RedactingFormatter"]

#: Loggers of servers that tell each request's address, and bring handlers and formatters of their own.
ACCESS_LOGS = ("uvicorn.access", "daphne.server", "gunicorn.access", "hypercorn.access", "granian.access")


class RedactingFormatter(logging.Formatter):
    """Write a record, with its traceback, without the tokens in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return redact(super().format(record))


class RedactTokens(logging.Filter):
    """Take tokens out of a record before anybody's handlers see it; its arguments keep their places."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let each record pass."""
        record.msg = _redacted(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(_redacted(argument) for argument in record.args)
        elif isinstance(record.args, dict):
            record.args = {name: _redacted(argument) for name, argument in record.args.items()}
        return True


def _redacted(value: object) -> object:
    return redact(value) if isinstance(value, str) else value
