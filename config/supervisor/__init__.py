"""The supervisor: run all of Stepline's processes as one, from start order to the last one's end.

Decisions (what to start in which order, when to restart) are pure functions in `decisions`; processes are handled
by `child`; `run` puts both together.
"""
