"""ImageNet weights for a full-width column: Gluon's and gluoncv's `resnet50_v1`, unit by unit (Section 3.5)."""

from __future__ import annotations

import zipfile
from typing import Dict

import mxnet as mx
from mxnet.gluon.model_zoo import vision

from repro.errors import UserError, choice
from repro.models.parameters import load

NAMES = ("resnet50_v1",)  # what `model_file` downloads
UNITS = (3, 4, 6, 3)  # of levels 2 to 5
# a unit's convolution and norm in the model zoo's `body` (ReLUs stand between) and their name here
BODY = ((0, 1, "conv1"), (3, 4, "conv2"), (6, 7, "conv3"))


def from_model_zoo(arrays: Dict[str, mx.nd.NDArray], source: str = "weights") -> Dict[str, mx.nd.NDArray]:
    """Return the zoo's values under a column's own names (``level2.0.conv1.weight``); the classifier is left out.

    The zoo's 1x1 convolutions carry biases, ours none: they are taken off the running mean of the norm that follows,
    which is the same function. UserError naming the first value missing or misshaped.
    """
    pairs = [("features.0", "features.1", "stem.0")]
    for level, units in zip((2, 3, 4, 5), UNITS):
        for unit in range(units):
            theirs, ours = f"features.{level + 2}.{unit}", f"level{level}.{unit}"
            pairs += [(f"{theirs}.body.{conv}", f"{theirs}.body.{norm}", f"{ours}.{name}") for conv, norm, name in BODY]
            if unit == 0:
                pairs.append((f"{theirs}.downsample.0", f"{theirs}.downsample.1", f"{ours}.shortcut"))
    result = {}
    for conv, norm, name in pairs:
        needed = [f"{conv}.weight"] + [f"{norm}.{value}" for value in ("gamma", "beta", "running_mean", "running_var")]
        for value in needed:
            if value not in arrays:
                raise UserError(f"{source}: not a resnet50_v1 of the model zoo: it lacks {value}")
            result[f"{name}.{value.rpartition('.')[2]}"] = arrays[value]
        if f"{conv}.bias" in arrays:
            mean, bias = arrays[f"{norm}.running_mean"], arrays[f"{conv}.bias"]
            if mean.shape != bias.shape:
                raise UserError(f"{source}: not a resnet50_v1 of the model zoo: {norm}.running_mean has shape "
                                f"{mean.shape}, {conv}.bias {bias.shape}")
            result[f"{name}.running_mean"] = mean - bias
    return result


def model_file(name: str) -> str:
    """Return the .params file of gluoncv's pre-trained `name`, one of NAMES; downloaded unless this machine has it.

    It is kept in $MXNET_HOME/models, by default ~/.mxnet/models, and gluoncv checks its hash. UserError where it cannot
    be had.
    """
    from gluoncv.model_zoo.model_store import get_model_file  # it takes seconds, which only a download is worth

    choice(name, NAMES, "PRETRAINED")
    try:
        return get_model_file(name, tag=True)
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:  # no network, no such page, another hash
        raise UserError(f"PRETRAINED: {name} could not be downloaded ({type(error).__name__}); where there is no "
                        f"network, give the .params file of gluoncv's or Gluon's {name}") from None


def _with_dots(path) -> Dict[str, mx.nd.NDArray]:
    """Values under the names of MXNet 1.2 and before (``stage1_conv0_weight``), by those since (``features.4...``)."""
    network = vision.resnet50_v1()
    try:
        network.load_parameters(str(path), cast_dtype=True)
    except (AssertionError, ValueError):
        raise UserError(f"weights {path}: not a resnet50_v1 of the model zoo") from None
    return {name: value.data() for name, value in network._collect_params_with_prefix().items()}


def load_backbone(path) -> Dict[str, mx.nd.NDArray]:
    """Return a backbone's values under a column's own names: from `make pretrain`, or of the model zoo's
    resnet50_v1."""
    arrays = load(path)
    if "conv0_weight" in arrays:
        arrays = _with_dots(path)
    return from_model_zoo(arrays, f"weights {path}") if "features.0.weight" in arrays else arrays
