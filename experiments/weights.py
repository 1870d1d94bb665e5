"""Make weights that describe themselves of a trained row: its .params, and a JSON beside them made from its record.

    python -m experiments.weights .cache/results/minicity-lite-full/NAME.params experiments/pretrained/minicity.params
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from experiments.lib.command import Parser, run
from experiments.lib.lookup import described
from repro.errors import UserError
from repro.files import replacing
from repro.prediction import weights


def make(given) -> None:
    """Check that the parameters are of the described network, and write both files."""
    from repro.models import parameters
    from repro.prediction.load import load

    out = Path(given.out)
    if out.suffix != ".params":
        raise UserError(f"{out}: must end in .params")
    about = load(described(given.trained)).weights
    with replacing(out) as temporary:
        if given.half:
            arrays = parameters.load(about.path)
            parameters.save_arrays(temporary, {name: value.astype("float16") for name, value in arrays.items()})
        else:
            temporary.write_bytes(about.path.read_bytes())
    about = dataclasses.replace(about, path=out, sha256=weights.digest(out))
    print(weights.write(about))
    print(f"{out}: {about}")


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.weights", description=__doc__.split("\n")[0])
    parser.add_argument("trained", help="a trained row's .params, its record beside it")
    parser.add_argument("out", help="the .params file to write, a .json beside it")
    parser.add_argument("--half", action="store_true", help="write float16, half the bytes; read as float32")
    return run(make, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
