"""Calling a job's function: with its arguments, through the site's middleware, as a coroutine where it is one."""

import inspect
import os
import sys
import traceback
from collections.abc import Callable
from functools import lru_cache, reduce
from typing import NoReturn

from asgiref.sync import async_to_sync
from django.conf import settings
from django.utils.module_loading import import_string

from tasks.registry import JobContext, JobSpec
from tasks.services.interruption import Interruption

__all__ = ["CallNext", "call", "job_middleware"]

#: What a middleware calls to go on, and what it is itself: the context in, the function's result out.
CallNext = Callable[[JobContext], object]
Middleware = Callable[[CallNext], CallNext]


def call(spec: JobSpec, context: JobContext, interruption: Interruption) -> object:
    """Call the function of a job, and return what it returns; raises InvalidArguments where it takes others by now."""

    def innermost(given: JobContext) -> object:
        arguments = spec.signature.from_json(given.arguments)
        if not inspect.iscoroutinefunction(spec.function):
            process = os.getpid()
            try:
                return spec.function(given, **arguments)
            finally:
                if os.getpid() != process:
                    _end_copy()

        async def run() -> object:
            interruption.entered_loop()
            return await spec.function(given, **arguments)

        # Not asyncio.run: what a coroutine asks of the database through sync_to_async is done in this thread, on this
        # thread's connection.
        return async_to_sync(run)()

    return job_middleware(innermost)(context)


def _end_copy() -> NoReturn:
    """End a process that a job has forked and that has come back from its function, or out of it by an exception.

    It is a copy of the worker, with the same sockets: whatever it went on to say to the database, or to Celery, would
    end the worker too.
    """
    is_error = sys.exc_info()[0] is not None
    if is_error:
        traceback.print_exc()
    os._exit(int(is_error))


def job_middleware(innermost: CallNext) -> CallNext:
    """Return `innermost` inside the site's middleware, the first of the setting outermost."""
    names = tuple(getattr(settings, "STEPLINE_JOB_MIDDLEWARE", ()))
    return reduce(lambda inner, middleware: middleware(inner), reversed(_imported(names)), innermost)


@lru_cache(maxsize=8)
def _imported(names: tuple[str, ...]) -> tuple[Middleware, ...]:
    return tuple(import_string(name) for name in names)
