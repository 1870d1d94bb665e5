"""Write the embedded data set: python -m experiments.minicity OUT [--size HxW] [--seed N] [--train N] ..."""

from __future__ import annotations

import argparse
import re
import sys

from repro.errors import UserError
from repro.minicity import write_minicity


def parse_size(text: str):
    """(H, W) of a text such as 256x512; UserError otherwise."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise UserError(f"--size: {text!r} is not HxW, such as 256x512")
    return int(match.group(1)), int(match.group(2))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m experiments.minicity", description=__doc__.split(":")[0])
    parser.add_argument("out", help="folder to write; it must be absent, empty or already this data")
    parser.add_argument("--size", default="256x512", metavar="HxW", help="pixels (default %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, help="another seed gives other scenes (default %(default)s)"
    )
    for name, count in (("train", 400), ("val", 100), ("coarse", 400)):
        parser.add_argument(
            f"--{name}", type=int, default=count, metavar="N", help="scenes (default %(default)s)"
        )
    given = parser.parse_args(arguments)
    try:
        write_minicity(given.out, given.seed, parse_size(given.size), given.train, given.val, given.coarse)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
