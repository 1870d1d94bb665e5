"""minicity: street scenes drawn from a seed, in the folder layout and label ids of Cityscapes."""

from .labels import coarsen
from .own import write_own
from .scene import SPLITS, city_of, scene
from .write import MARKER, VERSION, write_minicity

__all__ = ["MARKER", "SPLITS", "VERSION", "city_of", "coarsen", "scene", "write_minicity",
           "write_own"]
