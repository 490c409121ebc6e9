import mmap
import os
import subprocess
import sys
import time

import pytest

from benchmarks.memory import peak_resident, processor_seconds, resident, unique

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_what_a_process_alone_holds_is_part_of_what_is_resident():
    before = unique(os.getpid())
    # A place of its own: what this process has given back, it would hold again without anybody seeing it.
    held = mmap.mmap(-1, 32_000_000)
    held.write(os.urandom(1) * 32_000_000)
    after = unique(os.getpid())
    assert 30_000_000 < after - before < 40_000_000
    assert after < resident(os.getpid())
    held.close()


def test_processor_seconds_are_those_of_work():
    until = time.process_time() + 0.2
    before = processor_seconds(os.getpid())
    while time.process_time() < until:
        pass
    assert 0.15 <= processor_seconds(os.getpid()) - before < 5


def test_a_process_that_has_ended_holds_nothing():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert [unique(process.pid), resident(process.pid), peak_resident(process.pid)] == [0, 0, 0]
    assert processor_seconds(process.pid) == 0
