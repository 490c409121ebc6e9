"""Threads for functions that clients call, beside the thread that a request has: so calls don't wait for each other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

from django.conf import settings
from django.db import close_old_connections

__all__ = ["THREADS_SETTING", "in_own_thread"]

#: The setting that says how many of these threads a process has at most.
THREADS_SETTING = "STEPLINE_CALL_THREADS"
#: They wait for databases and other systems more than they work.
_THREADS = 32

R = TypeVar("R")


async def in_own_thread(function: Callable[[], R]) -> R:
    """Run `function` in one of the threads, with the caller's context, and return what it returns.

    Where the caller is cancelled, the function goes on: nothing can stop a thread but what it looks at itself.
    """
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(_pool(), context.run, _tidied, function)


def _tidied(function: Callable[[], R]) -> R:
    # As Django does around a request: a connection that is too old, or broken, serves nobody any more.
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(getattr(settings, THREADS_SETTING, _THREADS), thread_name_prefix="call")
