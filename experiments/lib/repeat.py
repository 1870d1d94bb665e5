"""The command that repeats a run, as its record keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Sequence

# what does not change a result
UNSAID = ("publish", "render", "fresh", "leak", "jobs", "hosts", "readers", "checkpoint")


def changed(given) -> Dict[str, Any]:
    """Return the options of a command line of lib/command.Parser that are not as usual, in their order."""
    return {name: getattr(given, name) for name, usual in given.usual.items() if getattr(given, name) != usual}


def command_of(given, target: str, but: Sequence[str] = (), **instead) -> str:
    """Return `make target` with the options that are not as usual, as variables: {"row": "a"} -> ROW=a.

    but      options that are left out, beside UNSAID. instead: what stands for an option's value.
    """
    words = {name: instead.get(name, value) for name, value in changed(given).items() if name not in (*UNSAID, *but)}
    return " ".join([f"make {target}", *(f"{name.upper()}={_shown(name, value)}" for name, value in words.items())])


def _shown(name: str, value) -> str:
    if name in ("weights", "pretrained"):  # a path of this machine is no one else's
        return Path(value).name
    return "1" if value is True else f"{value:g}" if isinstance(value, float) else str(value)


def portable(data: str, name: str = "") -> str:
    """Return DATA= for a command that is published: a folder without this machine's path. name: the data set's."""
    return data if data == "minicity" else f"/path/to/{name or Path(data).name}"
