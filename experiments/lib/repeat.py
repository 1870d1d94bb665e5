"""What a measurement's script says of its run: the command that repeats it, and whether it is written as published."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence, Tuple


def command_of(parser, given, target: str, but=("render", "draw")) -> str:
    """The command that repeats a measurement: `make target`, or the script where an option is not its default."""
    words = changed(vars(given), {name: parser.get_default(name) for name in vars(given) if name not in but})
    return script_command(parser.prog, words) if words else f"make {target}"


def changed(values: Mapping[str, Any], usual: Mapping[str, Any]) -> Dict[str, Any]:
    """Those of `values` that are not as usual, in the order of `usual`."""
    return {name: values[name] for name, value in usual.items() if values[name] != value}


def make_command(target: str, words: Mapping[str, Any]) -> str:
    """`make target` with variables: {"row": "a"} -> ROW=a."""
    return " ".join([f"make {target}", *(f"{name.upper()}={value}" for name, value in words.items())])


def script_command(script: str, words: Mapping[str, Any]) -> str:
    """The script with options: {"row": "a", "cuda_graph": True} -> --row a --cuda-graph."""
    return " ".join([script, *(option(name, value) for name, value in words.items())])


def option(name: str, value) -> str:
    """One option as it is typed."""
    value = f"{value:g}" if isinstance(value, float) else value
    return f"--{name.replace('_', '-')}{'' if value is True else f' {value}'}"


def portable(data: str, name: str) -> str:
    """DATA= for a command that is published: a folder without this machine's path to it. `name`: the data set's."""
    return data if data == "minicity" else f"/path/to/{name}"


def places(reduced: Sequence[str], own: Path, *published: Path) -> Tuple[Path, ...]:
    """Where a measurement and its page are written: `published`, or files of the same names in `own` if it is reduced.

    reduced  in which ways, such as "--times 1 is less than 3"; "" is none.
    """
    return tuple(own / path.name for path in published) if any(reduced) else published


def tell(reduced: Sequence[str], own: Path) -> None:
    """Say that a reduced measurement goes to `own`: before it where nothing can be wrong any more, else after it."""
    if any(reduced):
        print(f"{', '.join(filter(None, reduced))}: written to {os.path.relpath(own)}, and what is published stays",
              file=sys.stderr)


def other(given, **usual) -> str:
    """What is reduced, for `places`: the options that are not as usual."""
    return ", ".join(option(name, value) for name, value in changed(vars(given), usual).items())


def fewer(given, **usual) -> str:
    """What is reduced, for `places`: the options of which less is given than is usual."""
    return ", ".join(f"--{name} {getattr(given, name):g} is less than {value:g}"
                     for name, value in usual.items() if getattr(given, name) < value)


def lacking(measured, published) -> str:
    """What is reduced, for `places`: the names of data that are published and not to be measured."""
    left = sorted(set(published) - set(measured))
    return f"--data is without {', '.join(left)}" if left else ""
