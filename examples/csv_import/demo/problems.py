"""What goes wrong in the demo, in one line for people."""


class DemoFailure(Exception):
    """Say in one line what went wrong."""
