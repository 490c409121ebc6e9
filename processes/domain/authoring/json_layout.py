"""Lay JSON out for people: what fits into a line stays on one."""

import json

from processes.domain.json_values import JSON

__all__ = ["lay_out"]


def lay_out(value: JSON, *, width: int = 110, indent: int = 0) -> str:
    """Write JSON so that each object or list is on one line if it fits into `width` characters, else in several."""
    line = json.dumps(value, ensure_ascii=False)
    if indent + len(line) <= width or not isinstance(value, dict | list) or not value:
        return line
    inside, outside = " " * (indent + 2), " " * indent
    if isinstance(value, dict):
        parts = [
            f"{inside}{json.dumps(key, ensure_ascii=False)}: {lay_out(item, width=width, indent=indent + 2)}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(parts) + f"\n{outside}}}"
    parts = [f"{inside}{lay_out(item, width=width, indent=indent + 2)}" for item in value]
    return "[\n" + ",\n".join(parts) + f"\n{outside}]"
