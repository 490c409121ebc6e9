"""A peer in an environment of its own, which does what it is asked.

    python -m benchmarks.peers.answering MODULE [ARGUMENT …]

MODULE has a class `Peer`, made of the arguments. Each line of the standard input is a question, a JSON object with a
method's name and its arguments; what the method returns is answered, a line of JSON each. The input's end is the end.

This package is also imported where nothing of Stepline is installed: what such a peer needs beside itself is of the
standard library.
"""

import json
import os
import sys
from importlib import import_module
from typing import Protocol


class Closing(Protocol):
    """Be a peer: beside its methods, it ends well."""

    def close(self) -> None:
        """Let everything go."""


def main(module: str, *arguments: str) -> None:
    """Answer until nothing more is asked."""
    # What a library prints is no answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    peer: Closing = import_module(module).Peer(*arguments)
    print("ready", file=answers, flush=True)
    try:
        for line in sys.stdin:
            question = json.loads(line)
            answer = getattr(peer, question["method"])(**question["arguments"])
            print(json.dumps(answer), file=answers, flush=True)
    finally:
        peer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
