"""minicity: street scenes drawn from a seed, in the folder layout and label ids of Cityscapes."""

from repro.data.minicity.labels import coarsen
from repro.data.minicity.own import write_own
from repro.data.minicity.scene import SPLITS, city_of, scene
from repro.data.minicity.write import MARKER, VERSION, write_minicity

__all__ = ["MARKER", "SPLITS", "VERSION", "city_of", "coarsen", "scene", "write_minicity", "write_own"]
