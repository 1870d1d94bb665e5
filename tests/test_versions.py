"""docs/versions.md names every package pinned in requirements/, with its version, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
PIN = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)\s*(?:;.*)?")
PULLED_IN = "## What those pull in"


def pinned():
    """{package: versions}; a line that pins nothing must name a package that another does."""
    found, bare = {}, set()
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            line = line.partition("#")[0].strip()
            match = PIN.fullmatch(line)
            if match:
                found.setdefault(match[1], set()).add(match[2])
            elif line:
                bare.add(line)
    assert bare <= found.keys()
    return found


def rows(page):
    """The cells of every package's row."""
    lines = [line.strip().strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in cells] for cells in lines if cells[0].strip() != "package"]


def test_every_pinned_version_is_named_and_no_other():
    names = [cells[0] for cells in rows(PAGE)]
    assert len(names) == len(set(names)), "a package has two rows"
    assert {cells[0]: set(cells[1].split(", ")) for cells in rows(PAGE)} == pinned()


def test_every_one_is_explained():
    direct, _, pulled_in = PAGE.partition(PULLED_IN)
    assert [cells for cells in rows(direct) if len(cells) != 4 or not all(cells)] == []
    assert [cells for cells in rows(pulled_in) if len(cells) != 4 or not all(cells[:3])] == []


def test_what_is_said_to_be_pulled_in_is_by_something_pinned():
    known = pinned()
    for package, _, pulled_in_by, _ in rows(PAGE.partition(PULLED_IN)[2]):
        by = {word for word in re.findall(r"[\w-]+", pulled_in_by) if word in known}
        assert by and package not in by, package


def test_every_requirements_file_is_on_the_page():
    named_files = set(re.findall(r"`([\w-]+\.txt)`", PAGE))
    assert named_files == {path.name for path in (ROOT / "requirements").glob("*.txt")}


def test_the_oldest_and_newest_python_are_the_same_everywhere():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.8,<3.12"' in project and 'target-version = "py38"' in project
    assert "(3, 8) <= sys.version_info[:2] <= (3, 11)" in make and "python3.11 python3.10 python3.9 python3.8" in make
