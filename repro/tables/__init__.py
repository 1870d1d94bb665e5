"""Tables 1-5 as markdown: pure functions from rows, the paper's figures, costs and records to text."""

from repro.tables.columns import giga, reduction
from repro.tables.render import MARKER, page, published_part

__all__ = ["MARKER", "giga", "page", "published_part", "reduction"]
