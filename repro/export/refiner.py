"""SparseRefine's refiner carried out of this project, as Gluon's symbol and parameters, checked.

Its file takes what repro.refine.selected gives of an image, any number of pixels: their colours, the dense network's
scores there, and where each layer finds its inputs. ONNX files of this project have one size: there is none of it.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any, Dict, Sequence

import mxnet as mx
import numpy as np

from repro.errors import UserError
from repro.export.agreement import ALIKE
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
    prefix = Path(prefix)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    inputs = [mx.sym.var(name) for name in INPUTS]
    fused, own = refiner(*inputs)
    wanted = [run_refiner(refiner, one, mx.cpu())[0].asnumpy() for one in given]
    with tempfile.TemporaryDirectory(dir=prefix.parent, prefix=".writing-") as folder:
        inside = Path(folder) / prefix.name
        mx.sym.Group([fused, own]).save(f"{inside}-symbol.json", remove_amp_cast=True)
        mx.nd.save(f"{inside}-0000.params", {f"arg:{name}": parameter.data(mx.cpu())
                                             for name, parameter in refiner.collect_params().items()})
        files = [f"{inside}-symbol.json", f"{inside}-0000.params"]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Cannot decide type", UserWarning)  # an input's, in an exported graph
            loaded = mx.gluon.SymbolBlock.imports(files[0], list(INPUTS), files[1])
        found = [run_refiner(loaded, one, mx.cpu())[0].asnumpy() for one in given]
        apart = max((float(abs(one - other).max() / abs(one).max()) for one, other in zip(wanted, found)), default=0.0)
        if not apart <= ALIKE:
            raise UserError(f"{prefix}: not written: its scores are {apart:.1e} of the largest value apart")
        for file in files:
            os.replace(file, prefix.parent / Path(file).name)
    return {"selections": len(given), "pixels": int(np.sum([len(one.pixels) for one in given])),
            "apart": float(f"{apart:.2g}")}
