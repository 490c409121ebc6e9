"""An example of a team's own app with models of its own: leave requests, driven by a process."""
