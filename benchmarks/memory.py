"""What processes hold in memory, and what they have used of the processors, as the kernel tells it."""

import os
import re
from pathlib import Path

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_PRIVATE = re.compile(r"^(?:Private_Clean|Private_Dirty|Swap):\s+(\d+) kB$", re.MULTILINE)


def family(pid: int) -> list[int]:
    """Return a process and everything below it: what starts the server may wrap it."""
    found = [pid]
    for one in found:
        try:
            children = Path(f"/proc/{one}/task/{one}/children").read_text()
        except OSError:
            continue
        found.extend(int(child) for child in children.split())
    return found


def resident(pid: int) -> int:
    """Return the bytes that a process holds now; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def peak_resident(pid: int) -> int:
    """Return the most bytes that a process has ever held; 0 where it has ended (proc(5), VmHWM)."""
    try:
        found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def unique(pid: int) -> int:
    """Return the bytes that would be free without a process, what it shares left out; 0 where it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(found) for found in _PRIVATE.findall(text)) * 1024


def processor_seconds(pid: int) -> float:
    """Return how long a process has had a processor so far, the kernel's work for it included; 0 where it has ended."""
    try:
        # The name may hold spaces; what counts follows its closing bracket (proc(5), utime and stime).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
