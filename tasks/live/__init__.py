"""Live delivery: one hub per server process feeds every open socket and stream from the log."""

from tasks.live.follower import Follower
from tasks.live.hub import Hub, current_hub
from tasks.live.visitor import Visitor

__all__ = ["Follower", "Hub", "Visitor", "current_hub"]
