"""gluoncv's networks for segmentation, as they are but for their end: its score maps, not yet of the image's size.

gluoncv up-samples them to the image inside the graph and puts the corners of the score maps on those of the image. Here
every graph ends before that, and labels of the image's size are reached as everywhere in this project, by the cells'
centres: another half pixel, the same work.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any, Dict, Tuple

import mxnet as mx
from mxnet.gluon import nn

STRIDES = {"icnet": 4, "fastscnn": 8}  # pixels from one score to the next, of those that are trained here
STARTS = {"gamma": "ones", "running_var": "ones", "beta": "zeros", "running_mean": "zeros", "bias": "zeros"}  # Gluon's


def gluoncv_network(model: str, size: Tuple[int, int], classes: int):
    """gluoncv's network for images of `size` (H, W), with its ResNet-50 where it has a backbone, and no auxiliary head.

    Nothing is downloaded; layers whose shape waits for an image have no values yet.
    """
    from gluoncv.model_zoo import deeplabv3, fastscnn, fcn, icnet, pspnet  # seconds, and not for every script

    kind = {"icnet": icnet.ICNet, "fastscnn": fastscnn.FastSCNN, "pspnet": pspnet.PSPNet,
            "deeplabv3": deeplabv3.DeepLabV3, "fcn": fcn.FCN}[model]
    settings: Dict[str, Any] = {"aux": False, "height": size[0], "width": size[1]}
    if model != "fastscnn":
        settings.update(backbone="resnet50", pretrained_base=False)
    with contextlib.redirect_stdout(io.StringIO()):  # PSPNet prints its crop size
        return kind(classes, **settings)


def before_upsampling(output):
    """Return a gluoncv network's score maps as they are before it up-samples them to the image."""
    return output.get_children()[0]


class Trainable(nn.HybridBlock):
    """gluoncv's network for images of `size` (H, W), to be trained here from random values.

    model  of STRIDES. Its batch norms learn; dropout, where it has some, is part of the graph.
    enlarge  brings its score maps to 1/4, where this project's losses are.
    Parameters have gluoncv's names without the network's own prefix.
    """

    outputs = ("scores",)

    def __init__(self, model: str, size: Tuple[int, int], classes: int, enlarge, **kwargs):
        super().__init__(**kwargs)
        with mx.name.NameManager():  # names that do not depend on what was built before
            network = gluoncv_network(model, size, classes)
            scores = before_upsampling(network(mx.sym.var("data", shape=(1, 3, *size)))[0])
        # parameters of its own: gluoncv's have values already, by rules that are not ours
        self.body = mx.gluon.SymbolBlock(scores, mx.sym.var("data", dtype="float32"))
        for name, parameter in self.body.collect_params().items():
            parameter.init = next((start for kind, start in STARTS.items() if name.endswith(kind)), None)
        self.enlarge = enlarge

    def hybrid_forward(self, F, image):
        """(N, 3, H, W) -> scores (N, K, H/4, W/4)."""
        return self.enlarge(self.body(image))
