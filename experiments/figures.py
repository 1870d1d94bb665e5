"""Draw the pictures of what the method computes and where: what `make figures` runs.

    python -m experiments.figures             all of tables/: pipeline.png, comparison.png, borders.png, weights.png,
                                              class-iou.png, after `make table3 BUDGET=full` on this machine
    python -m experiments.figures --render    class-iou.png alone, from the published records

The networks are Table 3's, trained on minicity; the images are minicity's, none of them trained on.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator, List

from tqdm import tqdm

from experiments.lib import paths
from experiments.lib.command import Parser, run
from experiments.lib.lookup import Wanted, data_folder, preset_of, trained_plan
from experiments.lib.tables import chosen_rows
from repro.data import open_dataset, read_image
from repro.data.images import image_size
from repro.data.loader import evaluation_batches
from repro.errors import UserError
from repro.figures import borders, classes, panels
from repro.figures.outputs import Outputs
from repro.records import find, load_records

SCTF, ISCTF, SMALL = (f"{name}-sparse-p0.5-l0.001-r{side}"
                      for name, side in (("sctf", 256), ("isctf", 256), ("isctf", 128)))
NAMES = {SCTF: "SCTF, 256-px regions", ISCTF: "ISCTF, 256-px regions", SMALL: "ISCTF, 128-px regions"}
BARS = (("3", SCTF, "SCTF, p = 0.5"), ("3", ISCTF, "ISCTF, p = 0.5"), ("3", SMALL, "ISCTF, p = 0.5, 128-px regions"),
        ("4", "1120-1241", "Model A"))
GROUP = ("minicity", "lite", "full")


class Runner:
    """A trained row of Table 3, run on images one after the other, fast or classic."""

    def __init__(self, row_id: str, dataset, inference: str = "fast"):
        import mxnet as mx

        from repro.training.run import network_factory

        wanted = Wanted("3", row_id)
        self._plan, arrays = trained_plan(wanted, dataset, preset_of(wanted.preset).size)
        self._classes = dataset.classes
        self._networks = network_factory(self._plan, arrays, len(dataset.classes), inference, mx.cpu())

    def __call__(self, samples) -> Iterator[Outputs]:
        """Return what it gives for each of `samples`."""
        import mxnet as mx

        from repro.evaluation.inference import named_outputs

        multiple = self._plan.multiple
        for sample, (x, (truth,), _) in zip(
                samples, evaluation_batches(samples, self._classes, 1, (multiple, multiple))):
            named = named_outputs(self._networks(*x.shape[2:]), mx.nd.array(x))
            yield Outputs(read_image(sample.image), truth, {name: made.asnumpy()[0] for name, made in named.items()},
                          self._plan.region)


def draw_runs(given) -> List[Path]:
    """Run Table 3's networks on the test images and draw what they do; the files."""
    folder = Path(given.out)
    dataset = open_dataset(given.data or data_folder("minicity", preset_of("lite"))[0])
    samples = dataset.measured
    if not 0 <= given.image < len(samples):
        raise UserError(f"--image: {given.image} is not between 0 and {len(samples) - 1}, the last of the test images")
    runners = {row: Runner(row, dataset) for row in NAMES}
    classic = Runner(SCTF, dataset, "classic")
    label = "SCTF, classic inference: the whole image through the full column"
    curves = dict.fromkeys((f"{NAMES[SCTF]}, fast inference", f"{NAMES[ISCTF]}, fast inference", label), 0)
    often = dict.fromkeys((ISCTF, SMALL), 0)
    size = tuple(side // 3 for side in image_size(samples[0].image))
    best = None
    bar = tqdm(samples, desc="test images", unit="image", disable=None)
    for sample, sctf, isctf, small, whole in zip(bar, *(runner(samples) for runner in runners.values()),
                                                 classic(samples)):
        for name, one in zip(curves, (sctf, isctf, whole)):
            curves[name] = curves[name] + borders.by_distance(one)
        for row, one in ((ISCTF, isctf), (SMALL, small)):
            often[row] = often[row] + one.mask / len(samples)
        corner, excess = borders.window(sctf, isctf, size)
        if best is None or excess > best[0]:
            best = excess, corner, (sctf, isctf, small)
        if sample == samples[given.image]:
            shown = isctf, small
    paths = [folder / f"{name}.png" for name in ("pipeline", "comparison", "borders", "weights")]
    panels.draw_pipeline(shown[0], dataset.classes, paths[0])
    panels.draw_comparison(*best[2], best[1], size, list(NAMES.values()), dataset.classes, paths[1])
    panels.draw_borders(curves, len(samples), paths[2])
    panels.draw_weights(shown, list(often.values()), [NAMES[row] for row in often], len(samples), paths[3])
    return paths


def draw_bars(given) -> Path:
    """Draw IoU by class from the published records; the file."""
    records, series = load_records(paths.RESULTS), []
    for table, row_id, name in BARS:
        row, = chosen_rows(table, row_id)
        found = find(records, row.network, row.training, GROUP)
        if not found:
            raise UserError(f"{paths.RESULTS}: no record of {row_id} ({', '.join(GROUP)})")
        series.append((name, found))
    path = Path(given.out) / "class-iou.png"
    classes.draw_classes(series, path)
    return path


def draw(given) -> None:
    """Draw what is asked for and print the paths."""
    for path in [] if given.render else draw_runs(given):
        print(os.path.relpath(path))
    print(os.path.relpath(draw_bars(given)))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.figures", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--render", action="store_true", help="the bars alone, from the published records")
    add("--image", type=int, default=12, help="test image of the pipeline and the weights (default %(default)s)")
    add("--data", default="", help="another folder with minicity (default: written into .cache/)")
    add("--out", default=str(paths.ROOT / "tables"), help="folder to write (default: tables/)")
    return run(draw, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
