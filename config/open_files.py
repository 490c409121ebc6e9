"""How many connections a server process can have: each is an open file."""

import sys

if sys.platform != "win32":
    import resource

__all__ = ["allow_connections"]

#: Where the system would allow any number.
MOST_FILES = 65_536


def allow_connections() -> None:
    """Let this process have as many files open as the system allows it, up to 65,536.

    Shells and service managers begin with 1,024, for programs that can't handle more; everybody who follows something
    has a connection. Windows has no such limit.
    """
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
