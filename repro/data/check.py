"""Looking at every file of a data set once, before hours are spent on a part of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

import numpy as np
from tqdm import tqdm

from repro.data.classes import IGNORE, ClassSet
from repro.data.dataset import Sample
from repro.data.headers import orientation
from repro.data.images import check_sizes, image_size, read_label, size_of
from repro.errors import UserError
from repro.files import contents, write_text
from repro.pipeline import pipeline

_FORMAT = 2


@dataclass(frozen=True)
class Checked:
    """What a sample is.

    size: (H, W). image, label: the SHA-256 of their files ("" without label). classes: the train ids that the label
    has, void left out. void: its share of void pixels. orientation: EXIF's, by which the image is turned upright.
    """

    size: tuple[int, ...]
    image: str
    label: str
    classes: tuple[int, ...]
    void: float
    orientation: int


def _bar(items, total, what):
    return tqdm(items, desc=what, total=total, unit="image", leave=False, delay=1, disable=None)


def check_files(samples: Sequence[Sample], classes: ClassSet, known=None, workers: int = 0,
                progress=_bar) -> dict[Sample, Checked]:
    """Check every image and label of `samples` and return what each is; raise UserError naming the first bad file and
    how many are.

    Of a PNG image all chunks are read and their checksums compared, its pixels are not decoded but those of 16 bits; a
    JPEG, which has none, is decoded, and so is a label: its ids must be of `classes` and its size its image's; a
    sample without label has its image checked alone.

    known: a JSON file, made where it is absent, that remembers the samples found good with size and time of
    their files; those are not read again until they change. workers: threads (0: one per core; reading, checksums and
    decoding do not hold Python's lock). progress: wraps the `total` results of the samples to be read, to show how far
    it is.
    """
    samples = list(dict.fromkeys(samples))
    remembered = _remembered(known)
    stamps = {sample: _stamp(sample, classes) for sample in samples}  # before reading: a later change is seen
    found = {sample: _recalled(remembered.get(os.path.abspath(sample.image)), stamps[sample]) for sample in samples}
    due = [sample for sample in samples if found[sample] is None]
    bad, good = [], {}
    threads = workers or os.cpu_count() or 1
    try:
        with closing(pipeline(due, lambda sample: _problems(sample, classes), threads, 2 * threads)) as results:
            for sample, (problems, found[sample]) in zip(due, progress(results, len(due), "checking files")):
                bad += problems
                made = found[sample]
                if made and stamps[sample] is not None:
                    good[os.path.abspath(sample.image)] = {"stamp": stamps[sample], **asdict(made)}
    finally:
        if known is not None and good:
            write_text(known, json.dumps({"format": _FORMAT, "samples": {**_remembered(known), **good}}) + "\n")
    if bad:
        files = sum(1 if sample.label is None else 2 for sample in samples)
        raise UserError(f"{bad[0]}; {len(bad)} of the {files} files cannot be used")
    return {sample: one for sample, one in found.items() if one}


def _problems(sample: Sample, classes: ClassSet) -> tuple[list[str], Checked | None]:
    """Return a line for each of a sample's files that is wrong; what the sample is where none is."""
    problems, size, label = [], None, None
    try:
        size = image_size(sample.image)
    except UserError as error:
        problems.append(str(error))
    if sample.label is not None:
        try:
            label = read_label(sample.label, classes)
            check_sizes(sample, size or size_of(label), size_of(label))
        except UserError as error:
            problems.append(str(error))
    if problems or size is None:
        return problems, None
    counts = np.bincount(np.zeros(0, int) if label is None else label.ravel(), minlength=IGNORE + 1)
    files = [contents(path) if path else b"" for path in (sample.image, sample.label)]
    image, mask = (hashlib.sha256(data).hexdigest() if data else "" for data in files)
    classes_there = tuple(int(train_id) for train_id in np.flatnonzero(counts[:IGNORE]))
    void = round(float(counts[IGNORE] / max(1, counts.sum())), 4)
    return [], Checked(size, image, mask, classes_there, void, orientation(files[0]))


def _recalled(entry, stamp) -> Checked | None:
    """Return what is remembered of a sample whose files are as they were; None else."""
    if entry is None or stamp is None or entry["stamp"] != stamp:
        return None
    return Checked(tuple(entry["size"]), entry["image"], entry["label"], tuple(entry["classes"]), entry["void"],
                   entry["orientation"])


def _remembered(known) -> dict:
    """Return what is remembered by the samples' images: nothing of a file that is absent, of another version or no
    JSON."""
    try:
        values = json.loads(contents(known)) if known is not None else {}
    except (OSError, ValueError):
        return {}
    return values["samples"] if values.get("format") == _FORMAT else {}


def _stamp(sample: Sample, classes: ClassSet):
    """Return what the result of a check depends on; None if a file cannot be looked at."""
    stamp: list[object] = [classes.name]
    if classes.own:  # its ids may change under the same name
        stamp += [*classes.ids, "void", *classes.void]
    try:
        for path in (sample.image, sample.label):
            if path is not None:
                found = os.stat(path)
                stamp += [os.path.abspath(path), found.st_size, found.st_mtime_ns]
    except OSError:
        return None
    return stamp
