"""What a row, a preset and a size of images have together."""

from __future__ import annotations

from typing import Tuple

from repro.config.neighbours import AnyNetwork, multiple, width_of
from repro.config.presets import Preset, round_up
from repro.config.rows import Network, Training
from repro.errors import UserError
from repro.models.build import build


class Plan:
    """Sizes that a network, a training and a preset have together on images of `size` (H, W)."""

    def __init__(self, network: AnyNetwork, training: Training, preset: Preset, size: Tuple[int, int]):
        self.network, self.training, self.preset = network, training, preset
        self.region = preset.region(network.region) if network.region else None
        self.multiple, self.width = multiple(network, self.region), width_of(network, preset)
        own = isinstance(network, Network)  # others have their authors' widths
        self.stem, self.decoder_width = (preset.stem, preset.decoder_width) if own else (None, None)
        self.crop = round_up(preset.crop or size, self.multiple)

    def regions(self, size: Tuple[int, int]) -> int:
        """Return how many regions a padded image of `size` has; 0 without."""
        return (size[0] // self.region) * (size[1] // self.region) if self.region else 0

    def build(self, classes: int, size: Tuple[int, int], **settings):
        """Return the network for padded images of `size`, with grid, region and, unless the training has s > 0, k."""
        if self.region:
            grid = (size[0] // self.region, size[1] // self.region)
            settings.setdefault("k", self.training.k(self.regions(size)))
            if settings["k"] == 0:
                raise UserError(f"p {self.training.p}: keeps none of the {self.regions(size)} regions of "
                                f"{size[0]}x{size[1]} pixels; a larger image or crop has more")
            settings.update(grid=grid, region=self.region)
        try:
            return build(self.network, classes, self.width, size=(size[0], size[1]), stem=self.stem,
                         decoder_width=self.decoder_width, **settings)
        except ValueError as error:
            raise UserError(f"{self.network.fusion} at {size[0]}x{size[1]}: {error}") from None
