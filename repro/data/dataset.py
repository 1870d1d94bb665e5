"""What a data set is to the rest of the program: lists of image and label files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.data.classes import ClassSet
from repro.errors import UserError


@dataclass(frozen=True)
class Sample:
    """An image file and its label file; `label` is None only in a test split that is published without."""

    image: Path
    label: Path | None


@dataclass(frozen=True)
class Dataset:
    """The samples of a data set, each split sorted by path; a split the folder does not have is empty.

    coarse: additional, coarsely labelled images. measured_split: what the tables report, `val` or `test`.
    images: the folders that images are looked for in. pattern: where and under which names.
    """

    name: str
    classes: ClassSet
    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    test: tuple[Sample, ...]
    coarse: tuple[Sample, ...]
    measured_split: str
    images: tuple[Path, ...] = ()
    pattern: str = ""

    @property
    def measured(self) -> tuple[Sample, ...]:
        """The samples of the split the tables report."""
        return getattr(self, self.measured_split)


def sample_of(image: Path, *labels: Path) -> Sample:
    """Return an image with the first of these label files that is there, or without one."""
    return Sample(image, next((label for label in labels if label.is_file()), None))


def check_labelled(samples: Sequence[Sample], split: str, expected: str) -> tuple[Sample, ...]:
    """Return `samples` as a tuple if each has a label; `expected` says in words where labels should be.

    Raises UserError naming the first image without one and how many there are.
    """
    missing = [sample.image for sample in samples if sample.label is None]
    if missing:
        raise UserError(f"{missing[0]}: no label ({expected}); {len(missing)} of the {len(samples)} "
                        f"images of {split} have none")
    return tuple(samples)
