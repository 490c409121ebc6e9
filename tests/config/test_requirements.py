"""The lock files."""

import re

import pytest

from tests.config.conftest import ROOT


def blocks(kind: str) -> list[str]:
    """Return one text for each pin: a package may have several, for different platforms."""
    return re.split(r"\n(?=\S)", (ROOT / "requirements" / f"{kind}.txt").read_text())


def pins(kind: str) -> set[str]:
    return {block.partition(" \\")[0] for block in blocks(kind)}


def versions(kind: str) -> set[str]:
    """Return the pins without their markers: development may need on more platforms what one needs at runtime."""
    return {pin.partition(" ;")[0] for pin in pins(kind)}


def test_the_development_lock_holds_the_runtimes_pins():
    assert any(pin.startswith("django==") for pin in versions("runtime"))
    assert versions("runtime") <= versions("dev")


@pytest.mark.parametrize("kind", ["runtime", "dev"])
def test_every_pin_has_hashes_and_no_host(kind):
    for block in blocks(kind):
        assert re.match(r"[a-z0-9.-]+==\S+", block)
        assert "--hash=sha256:" in block
        assert "://" not in block
