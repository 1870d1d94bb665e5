"""Folders, images and labels: what is read is what was written, and what is wrong is named in one line."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
from folders import write_camvid, write_cityscapes, write_own, write_png

from repro.data import CAMVID, CITYSCAPES, contents, open_dataset, read_image, read_label, read_sample
from repro.data.check import check_files
from repro.data.images import read_labelled
from repro.errors import UserError

# cityscapesScripts' 34 ids in order, as train ids.
OFFICIAL = [255] * 7 + [0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5, 255, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                        255, 255, 16, 17, 18]


def refused(call, *parts) -> str:
    """The message of the UserError that `call` raises: one line holding all of `parts`."""
    with pytest.raises(UserError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message
    return message


def test_class_sets():
    assert len(CITYSCAPES) == 19 and len(CAMVID) == 11
    for classes in (CITYSCAPES, CAMVID):
        assert len(classes.names) == len(classes.colours) == len(classes.ids) == len(set(classes.colours))
        assert not set(classes.ids) & set(classes.void)
    assert set(CITYSCAPES.ids) | set(CITYSCAPES.void) == set(range(34)) | {255}
    assert CITYSCAPES.names[13] == "car" and CITYSCAPES.ids[13] == 26


def test_camvid_splits(tmp_path):
    data = open_dataset(write_camvid(tmp_path))
    assert (data.name, data.classes) == ("camvid", CAMVID)
    assert [len(split) for split in (data.train, data.val, data.test, data.coarse)] == [5, 2, 3, 0]
    assert data.measured == data.test
    for sample in data.train:
        assert sample.label == tmp_path / "trainannot" / sample.image.name
    assert list(data.train) == sorted(data.train, key=lambda sample: sample.image)


def test_cityscapes_splits(tmp_path):
    write_cityscapes(tmp_path, (("train", 3), ("val", 2)))
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


def test_minicity_is_known_by_its_marker(tmp_path):
    write_cityscapes(tmp_path)
    (tmp_path / "minicity.json").write_text("{}")
    assert open_dataset(tmp_path).name == "minicity"


def test_coarse_labels_of_training_images_are_not_further_samples(tmp_path):
    write_cityscapes(tmp_path)
    write_cityscapes(tmp_path, (("train", 3),), annotation="gtCoarse")
    assert open_dataset(tmp_path).coarse == ()


def test_label_ids_become_train_ids(tmp_path):
    path = tmp_path / "x_gtFine_labelIds.png"
    write_png(path, np.array([list(range(34)) + [255]], np.uint8))
    assert read_label(path, CITYSCAPES).tolist() == [OFFICIAL + [255]]


def test_train_ids_are_read_where_label_ids_are_absent(tmp_path):
    data = open_dataset(write_cityscapes(tmp_path, kind="labelTrainIds"))
    path = data.train[0].label
    assert path.name.endswith("_labelTrainIds.png")
    write_png(path, np.array([list(range(19)) + [255]], np.uint8))
    assert read_label(path, CITYSCAPES).tolist() == [list(range(19)) + [255]]
    write_png(path, np.array([[19]], np.uint8))
    refused(lambda: read_label(path, CITYSCAPES), path, "19")


def test_label_ids_are_preferred(tmp_path):
    write_cityscapes(tmp_path, kind="labelTrainIds")
    data = open_dataset(write_cityscapes(tmp_path))
    assert all(sample.label.name.endswith("_labelIds.png") for sample in data.train)


def test_camvid_void_is_ignored(tmp_path):
    path = tmp_path / "label.png"
    write_png(path, np.arange(12, dtype=np.uint8)[None])
    assert read_label(path, CAMVID).tolist() == [list(range(11)) + [255]]


def test_images_are_rgb(tmp_path):
    image = np.random.RandomState(0).randint(0, 256, (5, 7, 3)).astype(np.uint8)
    image[0, 0] = (200, 100, 50)
    write_png(tmp_path / "i.png", image)
    stored = cv2.imread(str(tmp_path / "i.png"))  # BGR
    assert stored[0, 0].tolist() == [50, 100, 200]
    assert np.array_equal(read_image(tmp_path / "i.png"), image)


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


def test_folders_that_are_no_data_set(tmp_path):
    refused(lambda: open_dataset(tmp_path / "none"), tmp_path / "none", "no such folder")
    (tmp_path / "file").write_text("")
    refused(lambda: open_dataset(tmp_path / "file"), "not a folder")
    refused(lambda: open_dataset(tmp_path), tmp_path, "leftImg8bit", "trainannot")


@pytest.mark.parametrize("folder", ["train", "test"])
def test_camvid_without_images(tmp_path, folder):
    write_camvid(tmp_path)
    for path in (tmp_path / folder).iterdir():
        path.unlink()
    refused(lambda: open_dataset(tmp_path), tmp_path / folder, "no images")


def test_cityscapes_without_images(tmp_path):
    write_cityscapes(tmp_path, (("train", 1),))
    refused(lambda: open_dataset(tmp_path), tmp_path / "leftImg8bit" / "val", "no images")


def test_images_without_label_are_named_and_counted(tmp_path):
    data = open_dataset(write_camvid(tmp_path / "camvid"))
    for sample in data.train[1:3]:
        sample.label.unlink()
    refused(lambda: open_dataset(tmp_path / "camvid"), data.train[1].image, "2 of the 5 images of train")
    data = open_dataset(write_cityscapes(tmp_path / "city"))
    data.val[1].label.unlink()
    refused(lambda: open_dataset(tmp_path / "city"), data.val[1].image, "gtFine/val", "1 of the 2")


def test_damaged_images(tmp_path, capfd):
    path = tmp_path / "image.png"
    write_png(path, np.random.RandomState(0).randint(0, 256, (40, 50, 3)).astype(np.uint8))
    whole = path.read_bytes()
    for length in (8, 20, 40, len(whole) // 2, len(whole) - 12, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(lambda: read_image(path), path)
    path.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    refused(lambda: read_image(path), path, "damaged")
    path.write_bytes(b"")
    refused(lambda: read_image(path), path, "not a PNG")
    refused(lambda: read_image(tmp_path / "none.png"), "none.png", "cannot be read")
    path.write_bytes(whole)
    assert read_image(path).shape == (40, 50, 3)
    assert capfd.readouterr().err == ""  # the decoder's own messages would break the one line


def test_labels_of_another_kind(tmp_path):
    path = tmp_path / "label.png"
    write_png(path, np.zeros((4, 4, 3), np.uint8))
    refused(lambda: read_label(path, CAMVID), path, "single-channel", "RGB")
    cv2.imwrite(str(path), np.zeros((4, 4), np.uint16))
    refused(lambda: read_label(path, CAMVID), path, "16-bit grey")
    cv2.imwrite(str(path), np.zeros((4, 4), np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1])
    refused(lambda: read_label(path, CAMVID), path, "1-bit grey")


def test_ids_outside_the_set(tmp_path):
    path = tmp_path / "label.png"
    write_png(path, np.array([[3, 12, 40]], np.uint8))
    refused(lambda: read_label(path, CAMVID), path, "label id 12", "camvid")
    write_png(path, np.array([[33, 34]], np.uint8))
    refused(lambda: read_label(path, CITYSCAPES), path, "label id 34", "cityscapes")


def test_label_of_another_size(tmp_path):
    sample = open_dataset(write_camvid(tmp_path)).train[0]
    write_png(sample.label, np.zeros((24, 31), np.uint8))
    refused(lambda: read_sample(sample, CAMVID), sample.label, "24x31", "24x32")
