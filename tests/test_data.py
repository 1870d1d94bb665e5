"""Folders, images and labels: what is read is what was written, and what is wrong is named in one line."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
from folders import YARD, refused, write_camvid, write_cityscapes, write_own, write_png

from repro.data import CAMVID, CITYSCAPES, contents, open_dataset, read_image, read_label, read_sample
from repro.data.check import check_files
from repro.data.classes import checked
from repro.data.images import read_labelled
from repro.errors import UserError

# cityscapesScripts' 34 ids in order, as train ids.
OFFICIAL = [255] * 7 + [0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5, 255, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                        255, 255, 16, 17, 18]


def test_class_sets():
    assert len(CITYSCAPES) == 19 and len(CAMVID) == 11
    assert all(checked(classes, "x") is classes for classes in (CITYSCAPES, CAMVID))


def test_camvid_splits(tmp_path):
    data = open_dataset(write_camvid(tmp_path))
    assert (data.name, data.classes, data.measured) == ("camvid", CAMVID, data.test)
    assert [len(split) for split in (data.train, data.val, data.test, data.coarse)] == [5, 2, 3, 0]
    assert all(sample.label == tmp_path / "trainannot" / sample.image.name for sample in data.train)
    assert list(data.train) == sorted(data.train, key=lambda sample: sample.image)


def test_cityscapes_splits(tmp_path):
    """Minicity is known by its marker; coarse labels of training images are no further samples."""
    write_cityscapes(tmp_path, (("train", 3), ("val", 2)))
    write_cityscapes(tmp_path, (("train", 3),), annotation="gtCoarse")
    assert open_dataset(tmp_path).coarse == ()
    write_cityscapes(tmp_path, (("train_extra", 4),), annotation="gtCoarse")
    write_cityscapes(tmp_path, (("test", 2),))
    shutil.rmtree(tmp_path / "gtFine" / "test")
    data = open_dataset(str(tmp_path))
    assert (data.name, data.classes, data.measured) == ("cityscapes", CITYSCAPES, data.val)
    assert [len(split) for split in (data.train, data.val, data.test, data.coarse)] == [3, 2, 2, 4]
    assert [sample.label for sample in data.test] == [None, None]
    assert data.coarse[0].label.name == "aachen_000000_000019_gtCoarse_labelIds.png"
    assert read_sample(data.test[0], CITYSCAPES)[1] is None
    refused(lambda: read_labelled(data.test[0], CITYSCAPES), data.test[0].image, "no label")
    (tmp_path / "minicity.json").write_text("{}")
    assert open_dataset(tmp_path).name == "minicity"


def test_ids_become_train_ids_and_others_are_named(tmp_path):
    for name, classes, ids, expected, wrong, words in (
            ("x_gtFine_labelIds.png", CITYSCAPES, [*range(34), 255], [*OFFICIAL, 255], [33, 34], "label id 34"),
            ("x_gtFine_labelTrainIds.png", CITYSCAPES, [*range(19), 255], [*range(19), 255], [19], "label id 19"),
            ("x.png", CAMVID, range(12), [*range(11), 255], [3, 12, 40], "label id 12"),
            ("x.png", YARD, [7, 3, 200, 0, 255], [0, 1, 2, 255, 255], [7, 8], "label id 8")):
        write_png(tmp_path / name, np.array([ids], np.uint8))
        assert read_label(tmp_path / name, classes).tolist() == [expected], name
        write_png(tmp_path / name, np.array([wrong], np.uint8))
        refused(lambda: read_label(tmp_path / name, classes), name, words, classes.name)  # noqa: B023


def test_train_ids_are_read_where_label_ids_are_absent(tmp_path):
    for kind in ("labelTrainIds", "labelIds"):
        data = open_dataset(write_cityscapes(tmp_path, kind=kind))
        assert all(sample.label.name.endswith(f"_{kind}.png") for sample in data.train)


def test_hidden_files_are_no_images_in_any_layout_and_links_are(tmp_path):
    """AppleDouble's, which a Mac writes beside each file; a link is the file or the folder that it leads to."""
    for write in (write_camvid, write_cityscapes, write_own):
        root = write(tmp_path / write.__name__)
        before = open_dataset(root)
        for path in list(root.rglob("*.*")):
            path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
        (root / ".git").mkdir()
        images = [folder for folder in before.images if folder.is_dir()]
        for folder in images:
            (folder / ".hidden").mkdir()
            (folder / ".hidden" / "a_leftImg8bit.png").write_bytes(b"")
        assert open_dataset(root) == before and contents.left_out(before) == ""
        first = before.train[0].image
        kept = first.rename(tmp_path / f"{write.__name__} kept")
        first.symlink_to(kept)
        place = first.parent.rename(tmp_path / f"{write.__name__} folder")
        first.parent.symlink_to(place)
        assert open_dataset(root) == before and (read_image(first) == read_image(kept)).all()
        kept.unlink()
        with pytest.raises(UserError, match="cannot be read"):  # and not left out
            check_files(open_dataset(root).train, before.classes)


def without(pattern, count):
    """A change of a folder: the last `count` of the files that a pattern finds are gone."""
    def change(root):
        for path in sorted(root.glob(pattern))[-count:]:
            path.unlink()
    return change


@pytest.mark.parametrize("write, change, words", [
    (lambda root: root, lambda root: None, ("no such folder",)),
    (lambda root: root, lambda root: root.write_text(""), ("not a folder",)),
    (lambda root: root, lambda root: root.mkdir(), ("leftImg8bit", "trainannot")),
    (write_camvid, without("train/*", 5), ("/train: no images",)),
    (write_camvid, without("test/*", 3), ("/test: no images",)),
    (write_cityscapes, without("leftImg8bit/val/*/*", 2), ("leftImg8bit/val: no images",)),
    (write_camvid, without("trainannot/*", 2), ("train/0001TP_000003.png: no label", "2 of the 5 images of train")),
    (write_cityscapes, without("gtFine/val/*/*", 1), ("zurich_000001_000019_leftImg8bit.png", "gtFine/val",
                                                      "1 of the 2")),
    (write_own, without("images/train/*", 4), ("images/train: no images (*.jpeg, *.jpg, *.png)",)),
    (write_own, without("images/val/*", 2), ("images/val: no images",)),
    (write_own, without("labels/val/*", 1),
     ("images/val/1.png: no label (expected labels/val/NAME.png); 1 of the 2 images of val",)),
    (write_own, lambda root: shutil.copy(root / "images" / "train" / "0.jpg", root / "images" / "train" / "0.JPEG"),
     ("0.jpg: 0.JPEG would have the same label, labels/train/0.png",)),
])
def test_a_mistake_in_a_folder_is_named(write, change, words, tmp_path):
    change(write(tmp_path / "data"))
    refused(lambda: open_dataset(tmp_path / "data"), tmp_path / "data", *words)


def test_damaged_images(tmp_path, capfd):
    path = tmp_path / "image.png"
    write_png(path, np.random.RandomState(0).randint(0, 256, (40, 50, 3)).astype(np.uint8))
    whole = path.read_bytes()
    cut = [(whole[:length], "") for length in (8, 20, 40, len(whole) // 2, len(whole) - 12, len(whole) - 1)]
    for data, words in (*cut, (whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:], "damaged"),
                        (b"", "not a PNG")):
        path.write_bytes(data)
        refused(lambda: read_image(path), path, words)
    refused(lambda: read_image(tmp_path / "none.png"), "none.png", "cannot be read")
    path.write_bytes(whole)
    assert read_image(path).shape == (40, 50, 3)
    assert capfd.readouterr().err == ""  # the decoder's own messages would break the one line


def test_labels_of_another_kind_and_size(tmp_path):
    sample = open_dataset(write_camvid(tmp_path)).train[0]
    for array, settings, words in ((np.zeros((4, 4, 3), np.uint8), [], ("single-channel", "RGB")),
                                   (np.zeros((4, 4), np.uint16), [], ("16-bit grey",)),
                                   (np.zeros((4, 4), np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1], ("1-bit grey",))):
        cv2.imwrite(str(sample.label), array, settings)
        refused(lambda: read_label(sample.label, CAMVID), sample.label, *words)
    write_png(sample.label, np.zeros((24, 31), np.uint8))
    refused(lambda: read_sample(sample, CAMVID), sample.label, "24x31", "24x32")
