"""Pictures made of panels: Figure 1's pipeline, Figure 5's comparison, and the weights, of real runs."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

import numpy as np

from repro.data.classes import ClassSet
from repro.data.images import size_of
from repro.figures.outputs import Outputs
from repro.plot import figure, save
from repro.prediction.overlay import coloured

INCHES, TITLE = 10.4, 0.21  # a picture's width; the height of a panel's title
OUTLINE, WINDOW = "#ffd200", "#ff00c8"
DIMMED = 0.4  # brightness of what is skipped


def cut_out(image: np.ndarray, outputs: Outputs, gap: int = 0) -> np.ndarray:
    """Return an image, white where it was skipped and along `gap` pixels of each computed region's borders."""
    kept = outputs.computed.copy()
    for offset in range(gap):
        kept[offset::outputs.region] = kept[outputs.region - 1 - offset::outputs.region] = False
        kept[:, offset::outputs.region] = kept[:, outputs.region - 1 - offset::outputs.region] = False
    return np.where(kept[..., None], image, np.uint8(255))


def dimmed(image: np.ndarray, outputs: Outputs) -> np.ndarray:
    """Return an image, darker where it was skipped."""
    return np.where(outputs.computed[..., None], image, (DIMMED * image).astype(np.uint8))


def panels(rows: int, columns: int, size: Tuple[int, int], below: float = 0.0):
    """Return (picture, its axes row by row) for images of `size` (H, W); `below`: inches under them."""
    height = rows * ((INCHES / columns - 0.05) * size[0] / size[1] + TITLE) + below
    made = figure(INCHES, height)
    made.get_layout_engine().set(w_pad=0.02, h_pad=0.015, wspace=0.0, hspace=0.0)
    axes = made.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    return made, axes


def show(axis, image: np.ndarray, title: str, **settings) -> Any:
    """Draw an image in a panel, under its title."""
    axis.set_title(title, fontsize=9, loc="left", pad=3)
    height, width = image.shape[:2]
    return axis.imshow(image, interpolation="nearest", extent=(0, width, height, 0), **settings)


def outline(axis, outputs: Outputs, width: float = 1.0, colour: str = OUTLINE) -> None:
    """Draw lines around the computed regions."""
    from matplotlib.patches import Rectangle

    for row, column in np.argwhere(outputs.mask):
        axis.add_patch(Rectangle((column * outputs.region, row * outputs.region), outputs.region, outputs.region,
                                 fill=False, edgecolor=colour, linewidth=width))


def legend(made, classes: ClassSet, labels: Sequence[np.ndarray], columns: int = 10) -> None:
    """Draw the classes that occur in any of these labels, under the picture."""
    from matplotlib.patches import Patch

    found = sorted({int(label) for one in labels for label in np.unique(one)} & set(range(len(classes))))
    made.legend(handles=[Patch(color=np.array(classes.colours[label]) / 255, label=classes.names[label])
                         for label in found],
                loc="outside lower center", ncols=columns, fontsize=8, frameon=False, handlelength=1.2,
                columnspacing=1.2)


def draw_pipeline(outputs: Outputs, classes: ClassSet, path) -> None:
    """Draw Figure 1, step by step."""
    made, axes = panels(4, 2, size_of(outputs.truth), below=0.5)
    count = f"{int(outputs.mask.sum())} of {outputs.mask.size}"
    half, full, both = (coloured(outputs.labels(name), classes) for name in ("half", "full", "scores"))
    show(axes[0, 0], outputs.image, "1  the image")
    show(axes[0, 1], half, "2  half column: all of it at half resolution, as labels")
    show(axes[1, 0], outputs.over_pixels(outputs.activity), f"3  its sparse weights sigmoid(s); the largest: {count}",
         vmin=0, vmax=1, cmap="gray")
    outline(axes[1, 0], outputs, 1.4)
    show(axes[1, 1], cut_out(outputs.image, outputs, 2), "4  so these regions are cut out for the full column")
    show(axes[2, 0], cut_out(full, outputs, 2), "5  full column: their labels at full resolution")
    show(axes[2, 1], outputs.weight, "6  its weight, z2 times sigmoid(s): black 0, white 1", vmin=0, vmax=1,
         cmap="gray")
    show(axes[3, 0], both, "7  both columns' scores, weighted and added: the result")
    show(axes[3, 1], coloured(outputs.truth, classes), "8  truth (black: not labelled)")
    legend(made, classes, [outputs.labels("half"), outputs.labels("full"), outputs.labels(), outputs.truth])
    save(made, path)


def draw_comparison(sctf: Outputs, isctf: Outputs, small: Outputs, corner: Tuple[int, int], size: Tuple[int, int],
                    names: Sequence[str], classes: ClassSet, path) -> None:
    """Draw Figure 5: image and truth; SCTF and ISCTF, and the window at `corner` of `size`; regions of two sizes.

    names  of the three, in words.
    """
    from matplotlib.patches import Rectangle

    made, axes = panels(4, 2, size_of(sctf.truth), below=0.5)
    height, width = sctf.truth.shape
    show(axes[0, 0], sctf.image, f"image, {height}x{width}, not trained on; its 256-px regions are {sctf.region} px")
    show(axes[0, 1], coloured(sctf.truth, classes), "truth (black: not labelled)")
    top, left = corner
    for column, (outputs, name) in enumerate(((sctf, names[0]), (isctf, names[1]))):
        labels = coloured(outputs.labels(), classes)
        show(axes[1, column], labels, f"{name}: labels")
        axes[1, column].add_patch(Rectangle((left, top), size[1], size[0], fill=False, edgecolor=WINDOW, linewidth=2))
        axis = axes[2, column]
        wrong = 100 * outputs.wrong()[top:top + size[0], left:left + size[1]].mean()
        show(axis, labels, f"{name}: the window, with the crops' borders; {wrong:.0f}% of it wrong")
        outline(axis, outputs, 1.6)
        axis.set(xlim=(left, left + size[1]), ylim=(top + size[0], top))
    for column, (outputs, name) in enumerate(((isctf, names[1]), (small, names[2]))):
        show(axes[3, column], dimmed(outputs.image, outputs),
             f"{name}: computed, {int(outputs.mask.sum())} of {outputs.mask.size} regions")
        outline(axes[3, column], outputs)
    legend(made, classes, [sctf.truth, sctf.labels(), isctf.labels()])
    save(made, path)


def draw_weights(runs: Sequence[Outputs], often: Sequence[np.ndarray], names: Sequence[str], images: int, path) -> None:
    """Draw attention and sparse weights of networks on one image, a column each, and how often a region is computed.

    often  of each network, the share of `images` images in which a region is computed, (Y, X).
    """
    rows: List[Tuple[str, Any]] = [
        ("z2: the full column's weight, by pixel", lambda one, share: one.z2),
        ("sigmoid(s): by region; outlined, the largest, which are computed",
         lambda one, share: one.over_pixels(one.activity)),
        ("z2 times sigmoid(s) in computed regions: what counts", lambda one, share: one.weight),
        (f"how often each region is computed, of {images} images", lambda one, share: one.over_pixels(share))]
    made, axes = panels(len(rows) + 1, len(runs), size_of(runs[0].truth), below=0.7)
    for column, (one, share, name) in enumerate(zip(runs, often, names)):
        show(axes[0, column], dimmed(one.image, one),
             f"{name}: {int(one.mask.sum())} of {one.mask.size} computed (bright)")
        for row, (title, values) in enumerate(rows, start=1):
            shades = show(axes[row, column], values(one, share), title, vmin=0, vmax=1, cmap="viridis")
        outline(axes[2, column], one, 1.2, WINDOW)
    bar = made.colorbar(shades, ax=axes, location="bottom", shrink=0.6, pad=0.01, aspect=60)
    bar.set_label("weight, or share of images", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    save(made, path)
