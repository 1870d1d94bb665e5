"""docs/architecture.md names what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"(?:symbols|repro|experiments|tables|tests)/[\w/]*(?:\.py|\.yaml|\.md)?", TEXT)))


def exists(place):
    if "N.yaml" in place:
        return any(ROOT.glob(place.replace("N.yaml", "[1-5].yaml")))
    return (ROOT / place).exists()


@pytest.mark.parametrize("place", PLACES)
def test_it_names_what_is_there(place):
    assert exists(place)


def test_the_check_sees_what_is_not_there():
    assert len(PLACES) > 25 and not exists("repro/nothing.py")


def test_it_is_one_page():
    assert len(TEXT.splitlines()) < 90
