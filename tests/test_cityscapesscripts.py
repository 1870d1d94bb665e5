"""Our metrics and label reader against cityscapesScripts' pixel-level evaluation, on the same files."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels as PEER_LABELS
from folders import write_png
from peers import cityscapes_evaluation

from repro.data import CITYSCAPES, IGNORE, read_label
from repro.evaluation.metrics import FIGURES, Confusion

SIZE, IMAGES = (24, 32), 3
NAMES = CITYSCAPES.names
EVERY_ID, EVERY_CLASS = tuple(range(34)), tuple(range(len(CITYSCAPES)))
TRAIN = NAMES.index("train")
VOID = tuple(set(EVERY_ID) - set(CITYSCAPES.ids))


def ids_but(*names):
    return [id for id in EVERY_ID if id not in [CITYSCAPES.ids[NAMES.index(name)] for name in names]]


def classes_but(*names):
    return [number for number in EVERY_CLASS if NAMES[number] not in names]


def written(folder, truth_ids, predicted):
    """Random truths of these ids and predictions of these train ids as files: (truths, predictions)."""
    random = np.random.RandomState(0)
    truths, predictions = [], []
    for number in range(IMAGES):
        frame = f"aachen_{number:06d}_000019"
        truth = random.choice(truth_ids, SIZE).astype(np.uint8)
        guess = np.asarray(CITYSCAPES.ids)[random.choice(predicted, SIZE)].astype(np.uint8)
        right = random.rand(*SIZE) < 0.4  # so that hits are as many as misses
        guess[right] = np.where(np.isin(truth, np.asarray(CITYSCAPES.ids)[list(predicted)]), truth, guess)[right]
        truths.append(folder / "gtFine" / "val" / "aachen" / f"{frame}_gtFine_labelIds.png")
        predictions.append(folder / "results" / f"{frame}_labelIds.png")
        write_png(truths[-1], truth)
        write_png(predictions[-1], guess)
    return truths, predictions


def ours(truths, predictions):
    """Both read by the project's reader; a prediction has no void."""
    confusion = Confusion(len(CITYSCAPES))
    for truth, prediction in zip(truths, predictions):
        confusion.add(read_label(truth, CITYSCAPES), read_label(prediction, CITYSCAPES))
    return confusion


def same(confusion, found):
    """Every figure of ours is cityscapesScripts': the matrix, each class, the mean, and the accuracy of its matrix."""
    matrix = np.asarray(found["confMatrix"]).astype(np.int64)[list(CITYSCAPES.ids)]
    assert np.array_equal(confusion.matrix, matrix[:, list(CITYSCAPES.ids)])
    for name, iou in zip(NAMES, confusion.class_iou()):
        theirs = found["classScores"][name]
        assert iou is None if math.isnan(theirs) else iou == pytest.approx(100 * theirs, rel=1e-12, abs=0), name
    assert confusion.mean_iou() == pytest.approx(100 * found["averageScoreClasses"], rel=1e-12, abs=0, nan_ok=True)
    # its own count of pixels, "nbCorrectPixels", is of those it ignores (in1d, inverted); so the matrix is asked
    hits = sum(int(matrix[i, id]) for i, id in enumerate(CITYSCAPES.ids))
    accuracy = 100 * hits / matrix.sum() if matrix.sum() else float("nan")
    assert FIGURES["pixel_acc"](confusion.matrix) == pytest.approx(accuracy, rel=1e-12, abs=0, nan_ok=True)


def test_the_classes_are_its_own():
    evaluated = sorted((label for label in PEER_LABELS if not label.ignoreInEval), key=lambda label: label.trainId)
    assert [(label.name, label.id, label.color) for label in evaluated] == list(
        zip(NAMES, CITYSCAPES.ids, CITYSCAPES.colours))
    void = {label.id for label in PEER_LABELS if label.ignoreInEval}
    assert {id % 256 for id in void} == set(CITYSCAPES.void)  # its licence plate, -1, is 255 in an 8-bit file


@pytest.mark.parametrize("truth_ids, predicted, without", [
    (EVERY_ID, EVERY_CLASS, ()),
    (ids_but("train"), classes_but("wall"), ()),  # predicted but nowhere in truth, and the other way round: 0
    (ids_but("train", "bus"), classes_but("train", "bus"), ("train", "bus")),
    (VOID, EVERY_CLASS, NAMES),
])
def test_every_figure_is_cityscapesscripts(truth_ids, predicted, without, tmp_path):
    truths, predictions = written(tmp_path, truth_ids, predicted)
    confusion = ours(truths, predictions)
    same(confusion, cityscapes_evaluation(predictions, truths))
    assert {name for name, iou in zip(NAMES, confusion.class_iou()) if iou is None} == set(without)


def test_predicted_on_void_pixels_alone_is_no_class(tmp_path):
    """Class train is predicted where the truth is void and nowhere else: it has no IoU, there as here."""
    truths, predictions = written(tmp_path, ids_but("train"), classes_but("train"))
    for truth, prediction in zip(truths, predictions):
        ids = np.asarray(CITYSCAPES.ids)[read_label(prediction, CITYSCAPES)].astype(np.uint8)
        ids[read_label(truth, CITYSCAPES) == IGNORE] = CITYSCAPES.ids[TRAIN]
        write_png(prediction, ids)
    confusion = ours(truths, predictions)
    same(confusion, cityscapes_evaluation(predictions, truths))
    assert confusion.class_iou()[TRAIN] is None


def test_the_licence_plates_minus_one_is_void_as_unlabeled_is(tmp_path, capsys):
    """cityscapesScripts writes no -1 and stops at a 255; here it is void, as where the plate is left unlabeled."""
    truths, predictions = written(tmp_path, EVERY_ID, EVERY_CLASS)
    found = cityscapes_evaluation(predictions, truths)
    for truth in truths:
        ids = cv2.imread(str(truth), cv2.IMREAD_UNCHANGED)
        ids[ids == 0] = 255
        write_png(truth, ids)
    same(ours(truths, predictions), found)
    with pytest.raises(SystemExit):
        cityscapes_evaluation(predictions, truths)
    assert "Unknown label with id 255" in capsys.readouterr().out
