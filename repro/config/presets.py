"""Presets: at what scale and by what recipe rows are trained. One YAML each, read into frozen values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Optional, Tuple

from repro.config import parsing
from repro.config.networks import AnyNetwork, Network
from repro.data.headers import LARGEST
from repro.errors import UserError, choice, shown

STOPS = ("cross", "weights", "sparse_head")  # paths from the half column: to the full decoder, to z1 and z2, to s
WIDEST = 16


@dataclass(frozen=True)
class Budget:
    """How long a row is trained, and on how many images it is measured (None: all).

    scratch_steps: of networks that are not the paper's, which no backbone fits, and of the backbone itself.
    """

    steps: int
    scratch_steps: int
    images: Optional[int]

    def steps_of(self, network: AnyNetwork) -> int:
        """Return the steps of a row, from a backbone or from random values."""
        return self.steps if isinstance(network, Network) else self.scratch_steps


@dataclass(frozen=True)
class Recipe:
    """The optimiser's settings: SGD, a rate fixed for a share of the steps, then a lower one falling to 0."""

    batch: int
    learning_rate: float
    warmup: int            # first steps, in which the rate rises from 0
    fixed_share: float     # share of the steps at the full rate
    tail: float            # the second part starts at this times the full rate
    momentum: float
    weight_decay: float
    bias_rate: float       # biases and batch norm's shifts learn at this times the rate, without decay
    new_rate: float        # layers that no pre-training gave values learn at this times the rate
    clip: Optional[float]  # the gradient's norm is cut to this; None: never
    scales: Tuple[float, float]  # images are scaled by a factor from this range
    threshold: float       # online bootstrapping: pixels up to this probability are kept ...
    keep: int              # ... and at least the hardest `keep` of a batch
    stops: Tuple[str, ...]  # paths of Figure 4 that pass no gradient back to the half column
    head_rate: Optional[float] = None   # the sparse head learns at this times the rate; None: as other new layers
    head_scale: float = 1  # the sparse head's first values are multiplied by this
    lambda_scale: float = 1  # lambda is multiplied by this: its strength against the loss goes as regions in a batch
    dense_share: float = 0  # share of the steps, the first, in which every region is computed

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of step 0 ... steps - 1."""
        fixed = round(steps * self.fixed_share)
        if step < fixed:
            return self.learning_rate * min(1.0, (step + 1) / (self.warmup + 1))
        return self.learning_rate * self.tail * (steps - step) / (steps - fixed)


@dataclass(frozen=True)
class Preset:
    """Width and scale of the networks, the recipe, and the budgets by name."""

    name: str
    width: float                      # multiplier of every channel count, but those that the next two give
    shrink: int                       # a row's region sides, in px at 1024x2048, are divided by this
    size: Tuple[int, int]             # minicity's images (H, W)
    crop: Optional[Tuple[int, int]]   # training crops; None: the data's image size, padded
    recipe: Recipe
    budgets: Dict[str, Budget]
    stem: Optional[int] = None        # channels of each column's first convolution; None: 64 times the width
    decoder_width: Optional[float] = None  # multiplier of the channels behind the columns; None: the width
    backbone: Optional[str] = None    # what PRETRAINED is by default; None: the shipped one

    def budget(self, name: str) -> Budget:
        return self.budgets[choice(name, tuple(self.budgets), f"BUDGET of preset {self.name}")]

    def region(self, side: int) -> int:
        """Return a row's region side in pixels of this preset's images; UserError when that is not a multiple of 32."""
        if side % (self.shrink * 32):
            raise UserError(f"preset {self.name}: regions of {side} px divided by {self.shrink} are not a multiple of "
                            "32 px, so the full column has no whole positions at 1/32")
        return side // self.shrink


def round_up(size: Tuple[int, int], multiple: int) -> Tuple[int, int]:
    """(H, W) padded to a multiple."""
    height, width = size
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def _pair(check):
    def checked(value, place):
        pair = parsing.sequence(check)(value, place)
        if len(pair) != 2:
            raise UserError(f"{place}: {shown(value)} is not a pair")
        return pair
    return checked


def readable(size: Tuple[int, int], said: str) -> Tuple[int, int]:
    """Return (H, W) if images of it can be read; a UserError begins with `said`."""
    if size[0] * size[1] > LARGEST:
        raise UserError(f"{said} are more than {LARGEST} pixels")
    return size


def _pixels(value, place):
    return readable(_pair(_COUNT)(value, place), f"{place}: {shown(value)}")


def _fraction(value, place):
    result = parsing.number(value, place)
    if not 0 <= result <= 1:
        raise UserError(f"{place}: {shown(value)} is not between 0 and 1")
    return result


_COUNT, _NUMBER = parsing.positive(parsing.integer), parsing.positive(parsing.number)


def width(value, place) -> float:
    """Check the multiplier of every channel count: above 0, and not so large that nothing could hold the network."""
    if _NUMBER(value, place) > WIDEST:
        raise UserError(f"{place}: {shown(value)} is above {WIDEST}")
    return float(value)


_BUDGET = parsing.object_of(Budget, {"steps": _COUNT, "scratch_steps": _COUNT, "images": parsing.optional(_COUNT)})
_RECIPE = parsing.object_of(Recipe, {
    "batch": _COUNT, "learning_rate": _NUMBER, "warmup": parsing.natural, "fixed_share": _fraction, "tail": _fraction,
    "momentum": _fraction, "weight_decay": parsing.number, "bias_rate": _NUMBER, "new_rate": _NUMBER,
    "clip": parsing.optional(_NUMBER), "scales": _pair(_NUMBER), "threshold": _fraction, "keep": _COUNT,
    "stops": parsing.sequence(lambda value, place: choice(parsing.text(value, place), STOPS, place)),
    "head_rate": _NUMBER, "head_scale": _NUMBER, "lambda_scale": _NUMBER, "dense_share": _fraction},
    optional=("head_rate", "head_scale", "lambda_scale", "dense_share"))


def _budgets(value, place) -> Dict[str, Budget]:
    if not isinstance(value, dict) or not value:
        raise UserError(f"{place}: {shown(value)} is not a mapping from a name to steps and images")
    return {parsing.text(name, place): _BUDGET(budget, f"{place}: {name}") for name, budget in value.items()}


def changed(preset: Preset, changes: Dict[str, int]) -> Preset:
    """Return `preset` with another "batch", or other "steps" in every budget, as the command line gives them."""
    for name, value in changes.items():
        _COUNT(value, name.upper())
    if "steps" in changes:
        steps = changes["steps"]
        preset = replace(preset, budgets={name: replace(budget, steps=steps, scratch_steps=steps)
                                          for name, budget in preset.budgets.items()})
    if "batch" in changes:
        preset = replace(preset, recipe=replace(preset.recipe, batch=changes["batch"]))
    return preset


def preset_dict(preset: Preset) -> Dict[str, Any]:
    """Return `preset` as plain values, with the YAML's keys."""
    return {name: value for name, value in parsing.plain(preset).items() if name != "name"}


def parse_preset(value, place: str, name: str) -> Preset:
    """Return the inverse of preset_dict; errors begin with `place`."""
    return Preset(name=name, **parsing.fields(value, place, {
        "width": width, "shrink": _COUNT, "size": _pixels, "crop": parsing.optional(_pixels), "recipe": _RECIPE,
        "budgets": _budgets, "stem": _COUNT, "decoder_width": width, "backbone": parsing.text},
        optional=("stem", "decoder_width", "backbone")))


def load_preset(path, name: str) -> Preset:
    """Return the preset in the YAML file `path`; a UserError names file, key and choices."""
    return parse_preset(parsing.read_yaml(path), str(path), name)
