"""What services print."""

import io

import pytest

from config.supervisor.output import LineSplitter, LogFile, Terminal, is_coloured


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"on", b"e\n", b"two"], ["one", "two"]),
        ([b"windows\r\n"], ["windows"]),
        ([b"\n\n"], ["", ""]),
        (["ä€".encode()[:4], "ä€".encode()[4:] + b"\n"], ["ä€"]),
        ([b"\xff\n"], ["\ufffd"]),
        ([b"x" * 40_000], ["x" * 16_384, "x" * 16_384, "x" * 7_232]),
    ],
)
def test_bytes_become_lines(chunks, lines):
    splitter = LineSplitter()
    assert [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.finish() == lines


def test_lines_stand_behind_names_of_one_width():
    stream = io.StringIO()
    terminal = Terminal(stream, names=["web", "worker"], coloured=False)
    terminal.show("web", "hello")
    terminal.show("worker", "hello")
    assert stream.getvalue() == "web    | hello\nworker | hello\n"


def test_names_are_coloured_where_asked():
    stream = io.StringIO()
    Terminal(stream, names=["web"], coloured=True).show("web", "hello")
    assert stream.getvalue() == "\x1b[36mweb\x1b[0m | hello\n"


def test_a_terminal_that_is_gone_stops_nothing():
    stream = io.StringIO()
    terminal = Terminal(stream, names=["web"], coloured=False)
    stream.close()
    terminal.show("web", "hello")


@pytest.mark.parametrize(
    ("is_terminal", "environment", "expected"),
    [(True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False)],
)
def test_colours_are_for_people(is_terminal, environment, expected):
    class Stream(io.StringIO):
        def isatty(self):
            return is_terminal

    assert is_coloured(Stream(), environment) is expected


def test_lines_are_kept_in_a_file_that_rotates(data_folder, monkeypatch):
    monkeypatch.setattr("config.supervisor.output.LOG_FILE_BYTES", 100)
    log = LogFile(folder=data_folder / "log", name="web")
    for number in range(30):
        log.write(f"line {number:04d}")
    log.close()
    files = sorted(path.name for path in (data_folder / "log").iterdir())
    assert files == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    assert (data_folder / "log" / "web.log").read_text().endswith("line 0029\n")
