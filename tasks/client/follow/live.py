"""The tree on a terminal: bars that are redrawn in place."""

import threading
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tasks.client.follow.rows import TROUBLE, Row, last_lines, rows_of, step_titles
from tasks.client.updates import Update, fold
from tasks.domain.tree import Tree

__all__ = ["LiveTree"]

REDRAWS_A_SECOND = 8
BAR_CHARS = 24
#: Lines of text below the bars.
OUTPUT_LINES = 6
#: Steps to come that are named.
MOST_STEPS = 6
_MARKS = {"completed": "✓", "failed": "✗", "cancelled": "–", "skipped": "–", "compensated": "↺"}
_PLAIN_MARKS = {"completed": "+", "failed": "x", "cancelled": "-", "skipped": "-", "compensated": "<"}
_STYLES = {"completed": "green", "failed": "red", "cancelled": "yellow", "compensated": "yellow", "waiting": "cyan"}


class LiveTree:
    """Draw a tree as it is now, several times a second; its last state stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tree = Tree()
        self._trouble = ""
        # The picture is made by the thread that redraws.
        self._lock = threading.Lock()
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=REDRAWS_A_SECOND,
            vertical_overflow="crop",
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._marks = _MARKS if console.encoding.startswith("utf") else _PLAIN_MARKS

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draw the last state."""
        self._live.stop()

    def tell(self, update: Update) -> None:
        """Take an update."""
        with self._lock:
            fold(self._tree, update)
            self._trouble = ""

    def wait(self, why: str) -> None:
        """Say that the site can't be reached, until the next update."""
        with self._lock:
            self._trouble = f"{TROUBLE} ({why})"

    def _picture(self) -> RenderableType:
        with self._lock:
            room = max(3, self._console.height - OUTPUT_LINES - MOST_STEPS - 3)
            rows, left_out = rows_of(self._tree, most=room)
            output = last_lines(self._tree, most=OUTPUT_LINES)
            steps = [] if self._tree.finished else step_titles(self._tree)
            status = "" if self._tree.finished else self._tree.status
            trouble = self._trouble
        if not rows:
            return Text(trouble or "waiting for the task …", style="dim")
        table = Table.grid(padding=(0, 1), expand=False)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(16, self._console.width // 2))
        table.add_column(width=BAR_CHARS)
        table.add_column(justify="right", width=4)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for row in rows:
            table.add_row(*self._cells(row, status=status))
        parts: list[RenderableType] = [table]
        if left_out:
            parts.append(Text(f"… and {left_out} more", style="dim"))
        parts += [Text(f"  · {title}", style="dim", no_wrap=True, overflow="ellipsis") for title in steps[:MOST_STEPS]]
        if len(steps) > MOST_STEPS:
            parts.append(Text(f"  · {len(steps) - MOST_STEPS} more steps", style="dim"))
        parts += [Text(f"│ {line}", style="dim", no_wrap=True, overflow="ellipsis") for line in output]
        if trouble:
            parts.append(Text(trouble, style="yellow", no_wrap=True, overflow="ellipsis"))
        return Group(*parts)

    def _cells(self, row: Row, *, status: str) -> tuple[RenderableType, ...]:
        style = _STYLES.get(row.status, "")
        mark = self._marks.get(row.status, "·")
        note = row.note or (status if row.depth == 0 else "")
        bar: RenderableType = ""
        if row.percent is not None:
            moving, done = style or "blue", "green"
            bar = ProgressBar(
                total=100, completed=row.percent, width=BAR_CHARS, complete_style=moving, finished_style=done
            )
        return (
            Text(f"{'  ' * row.depth}{mark} {row.title}", style=style),
            bar,
            "" if row.percent is None else f"{row.percent:.0f}%",
            Text(note, style=style or "dim"),
        )
