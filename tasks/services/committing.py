"""Doing something once the present transaction has committed."""

from collections.abc import Callable
from typing import ParamSpec

from django.db import transaction

__all__ = ["after_commit"]

P = ParamSpec("P")


def after_commit(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call `function` once the transaction has committed, at once where there is none; its errors are logged only.

    What is committed must not be turned into an error by what follows it. (A `partial` won't do: Django names what has
    failed by its `__qualname__`, which a partial lacks, and fails itself.)
    """

    def call() -> None:
        function(*args, **kwargs)

    transaction.on_commit(call, robust=True)
