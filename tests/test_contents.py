"""Said before the first step: labels that are all void, train ids, small images, leaks, and what is left out."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from folders import write_camvid, write_cityscapes, write_own, write_png

from experiments.lib import paths, schedule
from repro.data import open_dataset, own
from repro.data.contents import left_out
from repro.errors import UserError
from repro.models import parameters


@pytest.fixture()
def plan(tmp_path, monkeypatch, capsys):
    """Plan a training on a folder: what is said, the last line an error's where there is one."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")

    def planned(root, **options):
        try:
            schedule.plan(schedule.Asked("3", row="isctf-sparse-p0.25-l0.001-r256", data=str(root), **options))
        except UserError as error:
            return capsys.readouterr().err + str(error)
        return capsys.readouterr().err
    return planned


def fill(root, pattern, value):
    """Write `value` into every label that a pattern finds; the first of them."""
    files = sorted(root.glob(pattern))
    for path in files:
        write_png(path, np.full((128, 256), value, np.uint8))
    return files[0]


def test_labels_that_are_all_void_or_train_ids(tmp_path, plan):
    for name, write, train, measured in (
            ("own", write_own, "labels/train/*", "labels/val/*"),
            ("camvid", write_camvid, "trainannot/*", "testannot/*"),
            ("city", write_cityscapes, "gtFine/train/*/*", "gtFine/val/*/*")):
        for pattern in (train, measured):
            root = write(tmp_path / f"{name}{pattern == train}", size=(128, 256))
            assert plan(root) == ""
            for value in (11, 255) if name == "camvid" else (0, 255):
                if (name, value) == ("camvid", 255):
                    continue  # no id of CamVid
                first = fill(root, pattern, value)
                assert plan(root).startswith(f"{first}: all its pixels are void, as are those of all ")
        assert ("train ids are read from *_labelTrainIds.png" in plan(root)) == (name == "city")
        write_png(first, np.full((128, 256), {"own": 7, "camvid": 3, "city": 26}[name], np.uint8))
        assert plan(root) == ""  # one label is enough
    ids = np.full((128, 256), 0, np.uint8)
    ids[:40] = 13  # "car" to who writes train ids, "fence" as a label id
    write_png(first, ids)
    assert re.fullmatch(rf"{re.escape(str(first))}: 84% of the pixels of val are void, .*: are these train ids\? .*\n",
                        plan(root))


def test_a_measured_image_of_too_few_regions_is_named(tmp_path, plan):
    root = write_own(tmp_path / "yard", size=(128, 256))
    small = root / "images" / "val" / "1.png"
    write_png(small, np.zeros((64, 192, 3), np.uint8))
    write_png(root / "labels" / "val" / "1.png", np.full((64, 192), 7, np.uint8))
    assert plan(root) == (f"{small}: 64x192 pixels (height x width) are 3 of the 64 px regions, of which p 0.25 keeps "
                          "none; 4 are needed")
    write_png(small, np.zeros((65, 65, 3), np.uint8))  # four regions, once padded
    write_png(root / "labels" / "val" / "1.png", np.full((65, 65), 7, np.uint8))
    assert plan(root) == ""


def test_an_image_that_is_trained_on_and_measured(tmp_path, plan):
    """By content, whatever it is called; not where only others look at it."""
    for number, (write, train, measured) in enumerate((
            (write_own, "images/train/*.png", "images/val/1.png"), (write_camvid, "train/*", "test/*"),
            (write_cityscapes, "leftImg8bit/train/*/*", "leftImg8bit/val/*/*"))):
        root = write(tmp_path / str(number), size=(128, 256))
        trained, tested = (sorted(root.glob(pattern))[-1] for pattern in (train, measured))
        shutil.copy(trained, tested)
        said = plan(root)
        assert said.startswith(f"{tested}: ") and f"as {trained} (1 of " in said and "LEAK=1 (--leak)" in said
        assert re.fullmatch(r"1 of \d measured images are trained on too, as allowed\n", plan(root, leak=True))


def test_what_is_left_out_is_counted(tmp_path, plan):
    root = write_own(tmp_path / "yard", size=(128, 256))
    assert left_out(open_dataset(root)) == plan(root) == ""
    for name in ("train/a.webp", "train/more/b.jpg", "test/c.TIF", "train/.d.png", "train/.e/f.png", "train/notes.txt"):
        (root / "images" / name).parent.mkdir(exist_ok=True)
        (root / "images" / name).write_bytes(b"")
    assert plan(root) == (f"yard: 3 pictures are left out, such as {root / 'images' / 'test' / 'c.TIF'}; images are "
                          f"images/SPLIT/*{', *'.join(own.IMAGES)}\n")
    for write, name in ((write_camvid, "train/a.jpg"),
                        (write_cityscapes, "leftImg8bit/train/ulm/more/a_leftImg8bit.png"),
                        (write_cityscapes, "leftImg8bit/val/aachen/a_rightImg8bit.png")):
        root = write(tmp_path / name.replace("/", "-"))
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
        assert f": 1 picture is left out, such as {root / name}; images are " in left_out(open_dataset(root))


def test_a_measurement_that_fails_leaves_the_trained_parameters(tmp_path, monkeypatch, capfd):
    from experiments.lib import worker
    from repro.training import run as measuring

    def fails(*given):
        raise UserError("it cannot be measured")
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr("experiments.lib.tables.write", lambda table, local: None)
    root = write_own(tmp_path / "yard", size=(128, 256))
    job, = schedule.plan(schedule.Asked("1", row="stride32", data=str(root), steps=1))
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "evaluate", fails)
        with pytest.raises(UserError, match="it cannot be measured"):
            worker.work(job)
    found, = (tmp_path / "cache" / "results").rglob("*.params")
    before = {name: value.asnumpy() for name, value in parameters.load(found).items()}
    assert not found.with_suffix(".json").exists() and schedule.finished([job]) == {}
    worker.work(job)  # goes on from the last checkpoint
    assert list(schedule.finished([job]).values()) == [found.with_suffix(".json")]
    after = parameters.load(found)
    assert all(np.array_equal(value, after[name].asnumpy()) for name, value in before.items())
