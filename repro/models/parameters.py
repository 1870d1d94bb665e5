"""Parameters by structural name: saving, loading with every name and shape checked, and the pre-trained backbone."""

from __future__ import annotations

import math
import re
from typing import Any, Dict, Mapping, Tuple

import mxnet as mx
import numpy as np

from repro.errors import UserError
from repro.files import replacing, utf8
from repro.models import params_format
from repro.models.build import BACKBONES, is_constant

AVERAGES = "sparsity.q"  # the moving averages of the training graph, no part of the network
STATISTICS = ("running_mean", "running_var")  # batch norm's: set by training, but not learned
VARIANCES = ("running_var", "moving_var")     # of which none is below 0


def learned(arrays: Mapping[str, mx.nd.NDArray]) -> int:
    """Return how many of these values, by name, are learned."""
    return sum(math.prod(value.shape) for name, value in arrays.items() if not name.endswith(STATISTICS))


def structural(network) -> Dict[str, mx.gluon.Parameter]:
    """Return all parameters by the names of weights files: ``full_decoder.hidden0.weight`` of the decoder's step0.

    What is not a box of Figure 4 has no part in a name: a decoder's steps, the selector and the fusion.
    """
    return {re.sub(r"step(\d+)\.(hidden|cross|jump)\b", r"\2\1", re.sub(r"^(?:selector|fusion)\.", "", name)): p
            for name, p in network._collect_params_with_prefix().items()}


def parameters_of(network) -> Dict[str, mx.gluon.Parameter]:
    """Return the network's own parameters by structural name, e.g. ``half_column.level2.0.conv1.weight``."""
    return {name: p for name, p in structural(network).items() if name != AVERAGES and not is_constant(p)}


def constants_of(network) -> Dict[str, mx.nd.NDArray]:
    """Return the tables that follow from the network's sizes, by the traced graph's names."""
    return {name: mx.nd.array(p.init.value, dtype=p.init.value.dtype) for name, p in network.collect_params().items()
            if is_constant(p)}


def arrays_of(network) -> Dict[str, mx.nd.NDArray]:
    """Return the values of an initialised network, by structural name, on its first device."""
    return {name: p.data(p.list_ctx()[0]) for name, p in parameters_of(network).items()}


def save_arrays(path, arrays: Dict[str, mx.nd.NDArray]) -> None:
    """Write named values to `path` (MXNet's .params format), whole or not at all; UserError where they cannot be."""
    utf8(path)
    with replacing(path) as temporary:
        try:
            mx.nd.save(utf8(temporary), {name: value.as_in_context(mx.cpu()) for name, value in arrays.items()})
            params_format.read(temporary)  # mx.nd.save does not say that a disk was full at the file's end
        except (mx.MXNetError, UserError):
            raise UserError(f"{path}: cannot be written whole; is the disk full?") from None


def load_typed(path) -> Dict[str, mx.nd.NDArray]:
    """Return the named values of a .params file in their own types; UserError when it is missing or not one, or a value
    is not finite."""
    arrays = params_format.read(path)
    for name, value in arrays.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise UserError(f"weights {path}: {name} has values that are not finite")
    return {name: mx.nd.array(value, dtype=value.dtype) for name, value in arrays.items()}


def load(path) -> Dict[str, mx.nd.NDArray]:
    """Return a network's values of a .params file by name, in float32.

    UserError as `load_typed`, for values of another type that float32 cannot hold as they are, and for a variance below
    0.
    """
    arrays = load_typed(path)
    for name, value in arrays.items():
        own = value.asnumpy()
        with np.errstate(all="ignore"):
            single = own.astype(np.float32)
            exact = own.dtype == np.float32 or np.array_equal(single.astype(own.dtype), own)
        if not exact:
            raise UserError(f"weights {path}: {name} has {own.dtype} values that float32, in which networks compute, "
                            "cannot hold; save it rounded")
        if name.endswith(VARIANCES) and single.min() < 0:
            raise UserError(f"weights {path}: {name} has a variance below 0 ({single.min():g})")
        arrays[name] = value if own.dtype == np.float32 else mx.nd.array(single)
    return arrays


def _set(parameter, value, name: str, source: str, ctx) -> None:
    known = parameter.shape
    if known and 0 not in known and tuple(known) != value.shape:
        raise UserError(f"{source}: {name} has shape {value.shape}; this network has {tuple(known)} (another width, "
                        "number of classes or structure?)")
    parameter.shape = value.shape
    if parameter._data is None and not parameter._deferred_init:
        parameter.initialize(init=mx.init.Zero(), ctx=ctx)
    parameter.set_data(value)


def assign(network, arrays: Dict[str, mx.nd.NDArray], source: str = "weights", ctx=None) -> None:
    """Give `network` exactly the values in `arrays`; UserError naming the first value missing, left over or misshaped.

    A network not yet initialised is created on `ctx`, a device or a list of them.
    """
    own = parameters_of(network)
    _same_names(own, arrays, source)
    for constant in filter(is_constant, network.collect_params().values()):
        constant.initialize(ctx=ctx)
    for name, parameter in own.items():
        _set(parameter, arrays[name], name, source, ctx)


def _refuse(names, what: str, source: str) -> None:
    if names:
        raise UserError(f"{source}: of another network: it {what} {sorted(names)[0]} ({len(names)} such names)")


def _same_names(own, arrays, source: str) -> None:
    _refuse(own.keys() - arrays.keys(), "lacks", source)
    _refuse(arrays.keys() - own.keys(), "has, unlike this network,", source)


def traced(network, arrays: Dict[str, mx.nd.NDArray], shape: Tuple[int, ...], source: str = "weights"
           ) -> Tuple[Any, Dict[str, mx.nd.NDArray]]:
    """Return A network, not necessarily initialised, as the symbol of all its outputs for images "data" of `shape`, and
    its values in `arrays`, which may have more, by the symbol's names; UserError where one is missing or misshaped."""
    own = parameters_of(network)
    _refuse(own.keys() - arrays.keys(), "lacks", source)
    with mx.name.NameManager():  # names that do not depend on what was built before
        made = network(mx.sym.var("data", shape=tuple(shape)))
    symbol = mx.sym.Group(list(made)) if isinstance(made, (list, tuple)) else made
    found, _, states = symbol.infer_shape()
    shapes = dict(zip(symbol.list_arguments() + symbol.list_auxiliary_states(), found + states))
    for name, parameter in own.items():
        wanted, have = tuple(shapes.get(parameter.name, parameter.shape)), arrays[name].shape
        if len(have) != len(wanted) or any(b and a != b for a, b in zip(have, wanted)):
            raise UserError(f"{source}: {name} has shape {have}; this network has {wanted}")
    return symbol, {**constants_of(network), **{parameter.name: arrays[name] for name, parameter in own.items()}}


def check(network, arrays: Dict[str, mx.nd.NDArray], shape: Tuple[int, ...], source: str = "weights") -> None:
    """UserError unless `arrays` are exactly the values of `network`, not initialised, on images of `shape`."""
    _same_names(parameters_of(network), arrays, source)
    traced(network, arrays, shape, source)


def assign_backbones(network, arrays: Dict[str, mx.nd.NDArray], source: str = "weights") -> Tuple[str, ...]:
    """Give each column of `network` the values of one backbone, unit by unit; units removed there are left out.

    arrays: a backbone's own names (``level2.0.conv1.weight``). Returns the names of those set. UserError when
    a column needs one that is missing or of another shape.
    """
    done = []
    for name, parameter in parameters_of(network).items():
        column, _, own = name.partition(".")
        if column not in BACKBONES:
            continue
        if own not in arrays:
            raise UserError(f"{source}: lacks {own}, which {column} needs")
        _set(parameter, arrays[own], own, source, None)
        done.append(name)
    return tuple(done)
