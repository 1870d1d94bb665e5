"""Draw tables/pipeline.png, Figure 1 as rendered from a real run: what the full column computed, and what came out."""

from __future__ import annotations

import argparse
import sys

import cv2
import numpy as np

from experiments.command import HERE, run

ROOT = HERE.parent
GAP = 8


def coloured(labels: np.ndarray, classes) -> np.ndarray:
    """Labels (H, W) -> RGB (H, W, 3); ignored pixels black."""
    table = np.zeros((256, 3), np.uint8)
    table[:len(classes.colours)] = classes.colours
    return table[labels]


def with_regions(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with skipped regions darkened and computed ones outlined; mask (Y, X)."""
    height, width = image.shape[0] // mask.shape[0], image.shape[1] // mask.shape[1]
    shown = image // 2
    for row, column in np.argwhere(mask):
        top, left = row * height, column * width
        shown[top:top + height, left:left + width] = image[top:top + height, left:left + width]
        cv2.rectangle(shown, (left, top), (left + width - 1, top + height - 1), (255, 210, 0), 1)
    return shown


def titled(panel: np.ndarray, title: str) -> np.ndarray:
    """A panel under its title."""
    bar = np.full((22, panel.shape[1], 3), 255, np.uint8)
    cv2.putText(bar, title, (2, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([bar, panel])


def picture(given) -> None:
    """Run the network of one record on one image of its test set and write the panels."""
    import mxnet as mx

    from repro import measure, parameters, records
    from repro.data import open_dataset, read_sample
    from repro.data.loader import evaluation_batches
    from repro.files import replacing
    from repro.inference import named_outputs
    from repro.labelmap import labels_everywhere
    from repro.presets import load_preset

    record = records.read_record(given.record)
    dataset = open_dataset(given.data)
    sample = dataset.measured[given.image]
    image, truth = read_sample(sample, dataset.classes)
    preset = load_preset(HERE / "presets" / f"{record.preset}.yaml", record.preset)
    plan = measure.Plan(record.network, record.training, preset, image.shape[:2])
    arrays = parameters.load(given.record[:-len(".json")] + ".params")
    x, _, (size,) = next(evaluation_batches([sample], dataset.classes, 1, (plan.multiple, plan.multiple)))
    network = measure.network_factory(plan, arrays, len(dataset.classes), "fast", mx.cpu())(*x.shape[2:])
    named = {name: value.asnumpy()[0] for name, value in named_outputs(network, mx.nd.array(x)).items()}
    k, regions = int(named["mask"].sum()), named["mask"].size
    panels = [
        titled(image, "the image"),
        titled(with_regions(image, named["mask"][0]), f"computed at full resolution: {k} of {regions} regions"),
        titled(coloured(labels_everywhere(named["half"], size), dataset.classes), "the half-resolution column alone"),
        titled(coloured(labels_everywhere(named["scores"], size), dataset.classes), "both columns, fast inference"),
        titled(np.repeat(heat(named["z2"][0], size)[..., None], 3, axis=2), "z2, the full column's weight"),
        titled(coloured(truth, dataset.classes), "truth"),
    ]
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    rows = [np.hstack([panels[i], gap, panels[i + 1]]) for i in (0, 2, 4)]
    with replacing(given.out) as temporary:
        cv2.imwrite(str(temporary), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    print(given.out)


def heat(weights: np.ndarray, size) -> np.ndarray:
    """Weights between 0 and 1 at 1/4 -> grey uint8 of `size`."""
    big = cv2.resize(weights, (weights.shape[1] * 4, weights.shape[0] * 4))[:size[0], :size[1]]
    return (255 * big).round().astype(np.uint8)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m experiments.picture", description=__doc__)
    parser.add_argument("record", help="a local record, .cache/results/.../NAME.json, with NAME.params beside it")
    parser.add_argument("--data", default=str(ROOT / ".cache" / "data" / "minicity-256x512"), help="its data set")
    parser.add_argument("--image", type=int, default=0, help="number in the test set (default %(default)s)")
    parser.add_argument("--out", default=str(ROOT / "tables" / "pipeline.png"))
    return run(picture, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
