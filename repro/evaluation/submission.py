"""Label images for Cityscapes' evaluation server: original ids, one file per image, each at its image's own size."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Callable, Sequence, Tuple

import cv2
import mxnet as mx
import numpy as np

from repro.data import CITYSCAPES, Dataset, Sample
from repro.data.loader import evaluation_batches
from repro.errors import UserError, choice
from repro.evaluation.inference import named_outputs
from repro.files import replacing, write_bytes
from repro.labels.labelmap import labels_everywhere

SPLITS = ("test", "val", "train")


def samples_of(dataset: Dataset, split: str) -> Tuple[Sample, ...]:
    """Return the images of a split, without their labels: those of Cityscapes' test are not published.

    UserError for a data set without a server, an unknown split and one without images.
    """
    if dataset.classes != CITYSCAPES:
        raise UserError(f"DATA: {dataset.name} has no evaluation server; DATA must be a folder in Cityscapes' layout")
    samples = getattr(dataset, choice(split, SPLITS, "SPLIT"))
    if not samples:
        found = ", ".join(name for name in SPLITS if getattr(dataset, name))
        raise UserError(f"SPLIT: {dataset.name} has no images in {split}; it has some in {found}")
    return tuple(dataclasses.replace(sample, label=None) for sample in samples)


def write_labels(folder, samples: Sequence[Sample], network_for: Callable[[int, int], object], multiple: int, ctx,
                 pack: bool = False, progress=lambda batches: batches) -> Tuple[Path, ...]:
    """Predict each image and write its labels, uint8 (H, W) of original ids, into `folder`; returns the paths.

    network_for  as `repro.evaluation.inference.evaluate` takes it, for images padded to multiples of `multiple`.
    pack         then write all of them into `folder`.zip too, the last of the paths.
    progress     wraps the images, to show how far it is.

    Each file is written whole or not at all. Earlier ones of these names are removed before the first, so that an
    interrupted run leaves a part of one submission and no mixture of two. UserError for a folder that holds other PNG
    files, which a server would find as well.
    """
    folder = Path(folder)
    # the server looks for <city>_<sequence>_<frame>_labelIds.png
    paths = tuple(folder / f"{sample.image.name.replace('_leftImg8bit.png', '')}_labelIds.png" for sample in samples)
    if len(set(paths)) < len(paths):
        raise UserError("two images have the same name, so one's labels would replace the other's")
    others = sorted(set(folder.glob("*.png")) - set(paths))
    if others:
        raise UserError(f"OUT: {folder} holds {others[0].name}, no part of this submission ({len(others)} such files); "
                        "name another folder")
    archive = (folder.with_name(f"{folder.name}.zip"),) if pack else ()
    earlier = [path for path in paths + archive if path.exists()]
    table = np.array(CITYSCAPES.ids, np.uint8)
    batches = evaluation_batches(samples, CITYSCAPES, 1, (multiple, multiple))  # one at a time: they may be large
    for (x, _, (size,)), path in zip(progress(batches), paths):
        scores = named_outputs(network_for(*x.shape[2:]), mx.nd.array(x, ctx=ctx))["scores"].asnumpy()
        _, png = cv2.imencode(".png", table[labels_everywhere(scores[0], size)])
        while earlier:  # now that the network has been seen to run
            earlier.pop().unlink()
        write_bytes(path, png.tobytes())
    for path in archive:
        with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed:
            for file in paths:
                packed.write(file, file.name)
    return paths + archive
