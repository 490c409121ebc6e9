"""Typed clients as program text, written from what a site offers: pure, so that the same site gives the same text."""

from tasks.domain.client_code.model import ClashingNames, Offered, Surface, Verb
from tasks.domain.client_code.python import write_python
from tasks.domain.client_code.typescript import write_typescript

__all__ = ["ClashingNames", "Offered", "Surface", "Verb", "write_python", "write_typescript"]
