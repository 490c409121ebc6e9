"""Run a module's `main` in this process, with Django set up: `python -m benchmarks.child MODULE [ARGUMENT …]`."""

import signal
import sys
from importlib import import_module

import django

if __name__ == "__main__":
    # As an exception it passes the blocks that stop other programs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    django.setup()
    import_module(sys.argv[1]).main(*sys.argv[2:])
