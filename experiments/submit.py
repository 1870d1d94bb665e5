"""Label a split with a row's trained network, as Cityscapes' evaluation server takes it: what `make submit` runs."""

from __future__ import annotations

import sys

from tqdm import tqdm

from experiments.lib.command import Parser, contexts, run
from experiments.lib.lookup import check_early, chosen, data_folder, options, preset_of, trained_plan
from repro.data.classes import CITYSCAPES
from repro.errors import choice
from repro.files import no_file


def submit(given) -> None:
    """Find the parameters, run the network on the split, write the files."""
    chosen(given)  # this and the next before anything takes time
    preset = preset_of(given.preset)
    check_early(given, len(CITYSCAPES))
    ctx = contexts(given.gpu)
    from repro.data import open_dataset
    from repro.data.images import image_size
    from repro.evaluation import submission
    from repro.training.run import network_factory

    choice(given.split, submission.SPLITS, "SPLIT")
    no_file(given.out, "OUT", write=True)
    dataset = open_dataset(data_folder(given.data, preset)[0])
    samples = submission.samples_of(dataset, given.split)
    plan, arrays = trained_plan(given, dataset, image_size(samples[0].image))
    networks = network_factory(plan, arrays, len(dataset.classes), "fast" if plan.network.sparse else "whole", ctx[0])
    files = submission.write_labels(
        given.out, samples, networks, plan.multiple, ctx[0], given.zip,
        lambda images: tqdm(images, total=len(samples), desc=given.split, unit="image", disable=None))
    print(f"{given.out}: labels of {len(samples)} images")
    if given.zip:
        print(files[-1])


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.submit", description=__doc__)
    add = parser.add_argument
    options(parser)
    add("--seed", default="0", help="that the row was trained with (default %(default)s)")
    add("--data", default="minicity", help="minicity, or a folder in Cityscapes' layout (default %(default)s)")
    add("--split", default="test", help="test, val or train (default %(default)s)")
    add("--weights", default="", help="the row's .params file (default: found among those trained on this machine)")
    add("--out", default="submission", help="folder to write (default %(default)s)")
    add("--zip", action="store_true", help="write OUT.zip too")
    add("--gpu", default="", help="a card, such as 0 (default: the CPU)")
    return run(submit, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
