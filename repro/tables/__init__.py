"""Tables 1-5, ablations and claims as markdown: pure functions from rows, the paper's figures, costs and records."""

from repro.tables.claims_page import claims_page
from repro.tables.columns import ABLATIONS, giga, reduction
from repro.tables.render import MARKER, page, published_part, with_counterparts

__all__ = ["ABLATIONS", "MARKER", "claims_page", "giga", "page", "published_part", "reduction", "with_counterparts"]
