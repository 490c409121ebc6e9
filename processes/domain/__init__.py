"""Decide, without I/O: the definition format, derivation, plans and their interpretation.

Import from the modules themselves: each is one subject, and its `__all__` is its public face.
"""
