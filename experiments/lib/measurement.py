"""A measurement: its record in JSON, the page that is written from it, and the one rule where both go."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from experiments.lib import paths
from experiments.lib.command import Parser, at_least_one
from experiments.lib.repeat import UNSAID, changed, command_of
from repro.errors import UserError
from repro.files import write_text
from repro.records import provenance

COUNTS = ("rounds", "frames")  # options of which more is no other measurement


@dataclass(frozen=True)
class Measurement:
    """What one script measures: tables/results/NAME.json, and tables/NAME.md.

    read     reads what page and draw take from a folder of records.
    draw     writes pictures into the page's folder.
    records  names of the files that the page is of, as a pattern; "": NAME.json alone.
    """

    name: str
    read: Callable[[Path], Any]
    page: Callable[[Any], str]
    draw: Optional[Callable[[Any, Path], object]] = None
    records: str = ""

    def there(self, results: Path) -> bool:
        """Return True if a folder has a record of it."""
        return any(results.glob(self.records or f"{self.name}.json"))

    def run(self, given, measure: Callable[[], Dict[str, Any]], file: str = "", but=(), target: str = "",
            threads: Optional[int] = None, **instead) -> None:
        """Measure unless only the page is asked for; write the record, the page and pictures, and print where.

        They go to paths.OWN, with PUBLISH=1 to paths.RESULTS and the folder above it. The record has the provenance of
        the code that starts, whatever is committed meanwhile.

        given    of a parser with `options`.
        file     the record's name, if it is not NAME.json.
        but      options that do not make it another measurement.
        target   make's, if it is not NAME. instead: of command_of.
        threads  those it computes with, if they are not OMP_NUM_THREADS.
        """
        if given.render:
            return self.render()
        for name in ("rounds", "frames"):
            at_least_one(getattr(given, name, 1), name.upper())
        results = paths.RESULTS if given.publish else paths.OWN
        if given.publish and reduced(given, but):
            raise UserError(f"PUBLISH: {reduced(given, but)}: only the whole measurement is published")
        path = results / (file or f"{self.name}.json")
        print(f"to be written: {os.path.relpath(path)}")
        origin = provenance(command_of(given, target or self.name, **instead), threads)
        write_text(path, json.dumps({"provenance": origin, **measure()}, indent=1, allow_nan=False) + "\n")
        self.render(results)

    def render(self, results: Optional[Path] = None) -> None:
        """Write the page and pictures from a folder of records (default: the published ones); print the page's path."""
        results = results or paths.RESULTS
        pages = results.parent if results == paths.RESULTS else results
        found = self.read(results)
        if self.draw:
            self.draw(found, pages)
        write_text(pages / f"{self.name}.md", self.page(found))
        print(os.path.relpath(pages / f"{self.name}.md"))


def options(parser: Parser, rounds: int = 0, image: bool = False) -> None:
    """Add the options of every measurement, and those of one in `rounds` and on an `image` of a size."""
    if image:
        parser.add_argument("--size", default=paths.SIZE, help="height x width of the image (default %(default)s)")
        parser.add_argument("--width", type=float, default=1.0,
                            help="of this project's networks, for a quick look (default %(default)g)")
    if rounds:
        parser.add_argument("--rounds", type=int, default=rounds,
                            help="turns of each; what takes long may have fewer (default %(default)s)")
    parser.add_argument("--publish", action="store_true", help="write into tables/, not .cache/speed/")
    parser.add_argument("--render", action="store_true", help="write the page from the published records alone")


def reduced(given, but=()) -> str:
    """Return in which ways a run is not the whole measurement, such as "--rounds 1 is less than 9"; "" if it is."""
    found = []
    for name, value in changed(given).items():
        option = f"--{name.replace('_', '-')}"
        if name in COUNTS and value < given.usual[name]:
            found.append(f"{option} {value:g} is less than {given.usual[name]:g}")
        elif name not in (*COUNTS, *UNSAID, *but):
            found.append(option if value is True else f"{option} {value}")
    return ", ".join(found)
