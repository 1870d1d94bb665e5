"""Write the embedded data set: python -m experiments.minicity OUT [--size HxW] [--seed N] [--train N] ...

With --own fewer scenes, of five classes that the folder names itself, as anyone's own photos may be laid out.
"""

from __future__ import annotations

import sys

from experiments.lib.command import Parser, run
from experiments.lib.paths import parse_size
from repro.data.minicity import write_minicity, write_own
from repro.errors import UserError


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.minicity", description=__doc__.split(":")[0])
    parser.add_argument("out", help="folder to write; it must be absent, empty or already this data")
    parser.add_argument("--size", default="256x512", metavar="HxW", help="pixels (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other scenes (default %(default)s)")
    parser.add_argument("--own", action="store_true", help="photos and labels of five classes, with classes.yaml")
    defaults = {}
    for name, count, own in (("train", 400, 40), ("val", 100, 10), ("coarse", 400, 0)):
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"scenes (default {count}, with --own {own})")
        defaults[name] = own, count
    given = parser.parse_args(arguments)
    train, val, coarse = (pair[not given.own] if getattr(given, name) is None else getattr(given, name)
                          for name, pair in defaults.items())

    def write(_):
        if given.own and coarse:
            raise UserError(f"--coarse: {coarse}: there is no coarse set with --own")
        if given.own:
            write_own(given.out, given.seed, parse_size(given.size), train, val)
        else:
            write_minicity(given.out, given.seed, parse_size(given.size), train, val, coarse)
    return run(write, given)


if __name__ == "__main__":
    sys.exit(main())
