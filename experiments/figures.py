"""Draw tables/pipeline.png, comparison.png and weights.png, what the method computes and where: `make figures`.

The networks are Table 3's, trained on minicity by `make table3 BUDGET=full` on this machine; the images are minicity's,
none of them trained on.
"""

from __future__ import annotations

import os
import sys
from itertools import islice
from pathlib import Path
from typing import Iterator

from tqdm import tqdm

from experiments.lib import paths
from experiments.lib.command import Parser, run
from experiments.lib.lookup import Wanted, data_folder, preset_of, trained_plan
from repro.data import open_dataset, read_image
from repro.data.images import image_size
from repro.data.loader import evaluation_batches
from repro.figures import panels
from repro.figures.outputs import Outputs, window

SCTF, ISCTF, SMALL, FEW = (f"{name}-sparse-p{p}-l0.001-r{side}" for name, p, side in (
    ("sctf", 0.5, 256), ("isctf", 0.5, 256), ("isctf", 0.5, 128), ("isctf", 0.25, 256)))
NAMES = {SCTF: "SCTF, 256-px regions", ISCTF: "ISCTF, 256-px regions", SMALL: "ISCTF, 128-px regions"}
SHOWN = 12  # of the test images, where there are so many: that of the pipeline and the weights


def outputs_of(row_id: str, dataset) -> Iterator[Outputs]:
    """Yield what a trained row of Table 3 gives for each test image, by fast inference."""
    import mxnet as mx

    from repro.evaluation.inference import named_outputs
    from repro.training.run import network_factory

    wanted = Wanted("3", row_id)
    plan, arrays = trained_plan(wanted, dataset, preset_of(wanted.preset).size)
    networks = network_factory(plan, arrays, len(dataset.classes), "fast", mx.cpu())
    batches = evaluation_batches(dataset.measured, dataset.classes, 1, (plan.multiple, plan.multiple))
    for sample, (x, (truth,), _) in zip(dataset.measured, batches):
        named = named_outputs(networks(*x.shape[2:]), mx.nd.array(x))
        yield Outputs(read_image(sample.image), truth, {name: made.asnumpy()[0] for name, made in named.items()},
                      plan.region)


def draw(given) -> None:
    """Run Table 3's networks on the test images, draw what they do and print the paths."""
    folder = Path(given.out)
    dataset = open_dataset(given.data or data_folder("minicity", preset_of("lite"))[0])
    samples = dataset.measured
    often = dict.fromkeys((ISCTF, SMALL), 0)
    size = tuple(side // 3 for side in image_size(samples[0].image))
    best, at = None, min(SHOWN, len(samples) - 1)
    bar = tqdm(samples, desc="test images", unit="image", disable=None)
    for sample, sctf, isctf, small in zip(bar, *(outputs_of(row, dataset) for row in NAMES)):
        for row, one in ((ISCTF, isctf), (SMALL, small)):
            often[row] = often[row] + one.mask / len(samples)
        corner, excess = window(sctf, isctf, size)
        if best is None or excess > best[0]:
            best = excess, corner, (sctf, isctf, small)
        if sample == samples[at]:
            shown = isctf, small
    pipeline, comparison, weights = (folder / f"{name}.png" for name in ("pipeline", "comparison", "weights"))
    panels.draw_pipeline(next(islice(outputs_of(FEW, dataset), at, None)), dataset.classes, pipeline)
    panels.draw_comparison(*best[2], best[1], size, list(NAMES.values()), dataset.classes, comparison)
    panels.draw_weights(shown, list(often.values()), [NAMES[row] for row in often], len(samples), weights)
    for path in (pipeline, comparison, weights):
        print(os.path.relpath(path))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.figures", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", default="", help="another folder with minicity (default: written into .cache/)")
    add("--out", default=str(paths.ROOT / "tables"), help="folder to write (default: tables/)")
    return run(draw, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
