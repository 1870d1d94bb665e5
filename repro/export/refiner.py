"""SparseRefine's refiner carried out of this project, as Gluon's symbol and parameters, checked.

Its file takes what repro.refine.selected gives of an image, any number of pixels: their colours, the dense network's
scores there, and where each layer finds its inputs. ONNX files of this project have one size: there is none of it.
"""

from __future__ import annotations

from typing import Any, Dict, Sequence

import mxnet as mx

from repro.errors import UserError
from repro.export.agreement import ALIKE
from repro.export.carry import gluon_files
from repro.refine import LEVELS, Selected
from repro.refined import run_refiner

INPUTS = ("pixels", "dense", *(f"same{i}" for i in range(LEVELS)), *(f"down{i}" for i in range(LEVELS - 1)),
          *(f"up{i}" for i in range(LEVELS - 1)))


def carry_refiner(refiner, given: Sequence[Selected], prefix) -> Dict[str, Any]:
    """Write `prefix`-symbol.json and -0000.params, which gluon.SymbolBlock.imports reads with INPUTS.

    refiner  of repro.refined.refiner_of, hybridized. given: selections that the files are checked on.
    Returns {"selections", "pixels", "apart"}: how many were compared, and the largest difference as a share of the
    largest value. UserError where it is not float error; nothing is written then.
    """
    def save(inside: str) -> None:
        mx.sym.Group(list(refiner(*map(mx.sym.var, INPUTS)))).save(f"{inside}-symbol.json", remove_amp_cast=True)
        mx.nd.save(f"{inside}-0000.params", {f"arg:{name}": parameter.data(mx.cpu())
                                             for name, parameter in refiner.collect_params().items()})

    with gluon_files(prefix, INPUTS, save) as loaded:
        both = ([run_refiner(network, one, mx.cpu())[0].asnumpy() for network in (refiner, loaded)] for one in given)
        apart = max((float(abs(one - other).max() / abs(one).max()) for one, other in both), default=0.0)
        if not apart <= ALIKE:
            raise UserError(f"{prefix}: not written: its scores are {apart:.1e} of the largest value apart")
    return {"selections": len(given), "pixels": sum(len(one.pixels) for one in given),
            "apart": float(f"{apart:.2g}")}
