"""Pre-train the backbone that every row starts from: a 3-4-6-3 column segmenting separately seeded minicity scenes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tqdm import tqdm

from experiments.lib import paths
from experiments.lib.command import Parser, contexts, run
from experiments.lib.paths import HERE, PRETRAINED
from repro.errors import UserError
from repro.files import no_file, write_text

SEED = 1001  # of scenes that no table's training or test set contains


def pretrain(given) -> None:
    """Train and write the weights and, beside them, where they came from."""
    out = Path(given.out)
    if out.suffix != ".params":  # this and the next before anything takes time
        raise UserError(f"OUT: {out}: must end in .params")
    no_file(out.parent, "OUT", write=True)
    ctx = contexts(given.gpu)
    from repro import records
    from repro.config.networks import Column, Network
    from repro.config.presets import load_preset
    from repro.config.rows import Training
    from repro.data import open_dataset
    from repro.data.minicity import write_minicity
    from repro.models import parameters
    from repro.training.run import measure

    provenance = records.provenance("make pretrain")  # of the code that starts, whatever is committed meanwhile
    preset = load_preset(HERE / "presets" / "pretrain.yaml", "pretrain")
    budget = preset.budget(given.budget)
    data = paths.CACHE / "data" / "minicity-pretrain"
    write_minicity(data, seed=SEED, size=preset.size, train=1200, val=60, coarse=0)
    network = Network("single", (Column(1.0, (3, 4, 6, 3)),), 32, "plain", None)
    training = Training("none", None, None, bootstrapping=False, coarse=False, pretrained=False)
    with tqdm(total=budget.scratch_steps, desc="pre-training", unit="step", mininterval=2, disable=None) as bar:
        def report(step, loss):
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()
        measured, arrays, _ = measure(network, training, open_dataset(data), preset, budget, 0, ctx,
                                           report=report)
    backbone = {name.partition(".")[2]: value for name, value in arrays.items() if name.startswith("full_column.")}
    parameters.save_arrays(out, backbone)
    measured.update(scenes={"generator": "minicity", "seed": SEED, "train": 1200, "size": list(preset.size)},
                    provenance=provenance)
    write_text(out.with_suffix(".json"), json.dumps(measured, indent=1) + "\n")
    result = measured["evaluations"]["whole"]
    print(f"{out}: mean IoU {result['mean_iou']:.2f}% on {result['images']} scenes of its own validation set "
          f"(majority map {measured['majority']['mean_iou']:.2f}%)")


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.pretrain", description=__doc__)
    parser.add_argument("--budget", default="full", help="quick or full, in presets/pretrain.yaml [%(default)s]")
    parser.add_argument("--gpu", default="", help="devices, such as 0 or 0,1 (default: the CPU)")
    parser.add_argument("--out", default=str(PRETRAINED), help="the .params file to write (default %(default)s)")
    return run(pretrain, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
