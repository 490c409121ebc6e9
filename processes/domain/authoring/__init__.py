"""Decide what those see who write processes: diagrams, differences, places in a text, documentation.

Nothing that runs a process imports from here.
"""
