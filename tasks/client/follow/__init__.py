"""`stepline-follow URL`: follow a task in a terminal until it ends."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from tasks.client.client import Client
from tasks.client.errors import ClientError, NotConfigured, Refused
from tasks.client.follow.addresses import task_at
from tasks.client.follow.lines import TreeLines
from tasks.client.follow.live import LiveTree
from tasks.client.follow.rows import safe
from tasks.client.site import GIVE_UP_SECONDS
from tasks.client.updates import Update

__all__ = ["main"]

COMPLETED, FAILED, CANCELLED, UNREACHABLE, REFUSED, MISUSED, INTERRUPTED = 0, 1, 2, 3, 4, 64, 130
_ENDS = {"taskEnd": COMPLETED, "taskError": FAILED, "taskAborted": CANCELLED}
_STATUSES = {"completed": COMPLETED, "failed": FAILED, "cancelled": CANCELLED}
_HELP = """\
exit codes: 0 the task has completed, 1 it has failed, 2 it was cancelled; 3 the site can't be reached, 4 it refuses
(no such task, a token that doesn't hold), 64 the command is wrong. Ctrl-C ends the following, not the task (130).

The token is read from --token-file, else from STEPLINE_TOKEN. That isn't sent to another site than STEPLINE_URL,
where this is set."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow the task that the command line names, and return how it has ended."""
    options = _parser().parse_args(arguments)
    try:
        site, task_id = task_at(options.url)
        shown = LiveTree(Console()) if sys.stdout.isatty() and not options.plain else TreeLines(_print, _complain)
        token, seconds = _token(options.token_file), options.give_up
        client = Client(site, token=token, give_up_seconds=seconds, on_wait=lambda why, _: shown.wait(safe(why)))
        return _follow(client, task_id, shown)
    except KeyboardInterrupt:
        _complain("Followed no more; the task goes on.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read along has seen enough; Python mustn't complain when it flushes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except ClientError as error:
        _complain(f"stepline-follow: {safe(error.message)}")
        return MISUSED if isinstance(error, NotConfigured) else REFUSED if isinstance(error, Refused) else UNREACHABLE


def _follow(client: Client, task_id: str, shown: LiveTree | TreeLines) -> int:
    last: Update | None = None
    with shown, closing(client.iterate(client.follow(task_id).follow(snapshot=True))) as updates:
        for last in updates:
            shown.tell(last)
    assert last is not None
    return _ENDS[last["type"]] if last["type"] in _ENDS else _STATUSES[last["task"]["status"]]


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _complain(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"{file} can't be read: {error}") from None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong, by a code of its own: 2 is that of a cancelled task."""
        self.print_usage(sys.stderr)
        self.exit(MISUSED, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="stepline-follow",
        description="Follow a task until it ends: a tree with bars on a terminal, plain lines elsewhere.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="of a task's page, or of the task in the API")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="holds the API token")
    parser.add_argument("--plain", action="store_true", help="lines on a terminal too")
    parser.add_argument(
        "--give-up",
        type=float,
        default=GIVE_UP_SECONDS,
        metavar="SECONDS",
        help="how long to try where the site can't be reached (default: %(default)g)",
    )
    return parser
