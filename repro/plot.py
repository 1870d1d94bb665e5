"""Pictures by matplotlib, which is imported late and draws without a display."""

from __future__ import annotations

from repro.files import replacing


def figure(width: float, height: float):
    """Return an empty picture, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def save(made, path) -> None:
    """Write a picture as PNG; the same values give the same bytes with one matplotlib."""
    with replacing(path) as temporary:
        made.savefig(temporary, dpi=100, metadata={"Software": None})
