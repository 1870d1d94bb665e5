"""The check of all files: every way of being wrong is named with its file, what is known is not read again."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from folders import YARD, refused, write_camvid, write_own, write_png
from pictures import exif, with_exif

from repro.data import CAMVID, Sample, check, contents, open_dataset
from repro.data.check import check_files
from repro.data.images import read_labelled


@pytest.fixture()
def samples(tmp_path):
    return open_dataset(write_camvid(tmp_path / "camvid")).train


def line(samples, classes=CAMVID, **options) -> str:
    return refused(lambda: check_files(samples, classes, **options))


def read(monkeypatch, samples, **options):
    """The samples that a check reads."""
    seen = []
    problems = check._problems
    with monkeypatch.context() as patch:
        patch.setattr(check, "_problems", lambda sample, classes: seen.append(sample) or problems(sample, classes))
        check_files(samples, CAMVID, **options)
    return [sample for sample in samples if sample in seen]


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize("damage, words", [
    (truncate, "the PNG file is truncated"),
    (lambda path: path.unlink(), "cannot be read (No such file or directory)"),
])
def test_the_first_bad_file_is_named_and_all_are_counted(samples, damage, words):
    damage(samples[1].label)
    damage(samples[3].image)
    damage(samples[3].label)
    for workers in (1, 3):
        message = line(samples, workers=workers)
        assert message.startswith(f"{samples[1].label}: {words}")
        assert message.endswith("; 3 of the 10 files cannot be used")


@pytest.mark.parametrize("write, words", [
    (lambda sample: write_png(sample.label, np.full((24, 32), 12, np.uint8)),
     "{0.label}: label id 12 is not one of the camvid ids; 1 of the 10 files cannot be used"),
    (lambda sample: write_png(sample.label, np.zeros((24, 31), np.uint8)),
     "{0.label}: the label is 24x31, its image 24x32"),
    (lambda sample: sample.label.write_bytes(sample.image.read_bytes()), "single-channel"),
])
def test_a_label_that_does_not_fit(samples, write, words):
    write(samples[2])
    assert words.format(samples[2]) in line(samples)


def test_an_image_without_label_is_checked_alone_and_one_given_twice_is_one(samples):
    alone = [Sample(sample.image, None) for sample in samples]
    check_files(alone, CAMVID)
    truncate(samples[0].image)
    assert line(alone).endswith("truncated; 1 of the 5 files cannot be used")
    assert line(samples + samples).endswith("; 1 of the 10 files cannot be used")


def test_what_is_known_to_be_good_is_not_read_again_until_it_changes(samples, tmp_path, monkeypatch):
    known = tmp_path / "cache" / "known.json"
    assert read(monkeypatch, samples[:3], known=known) == list(samples[:3])
    assert read(monkeypatch, samples, known=known) == list(samples[3:])
    assert read(monkeypatch, samples, known=known) == []
    assert read(monkeypatch, samples) == list(samples)
    assert [path.name for path in known.parent.iterdir()] == ["known.json"]
    os.utime(samples[1].image, ns=(1, 1))
    samples[2].label.write_bytes(samples[2].label.read_bytes() + b"\0")
    assert read(monkeypatch, samples, known=known) == list(samples[1:3])
    truncate(samples[4].label)
    for _ in range(2):
        assert str(samples[4].label) in line(samples, known=known)
    samples[0].label.unlink()
    assert str(samples[0].label) in line(samples, known=known)


def test_good_files_are_remembered_beside_a_bad_one_and_where_a_check_is_interrupted(samples, tmp_path, monkeypatch):
    known, whole = tmp_path / "known.json", samples[2].image.read_bytes()

    def interrupted(results, total, what):
        assert (total, what) == (5, "checking files")
        yield from (next(results) for _ in range(2))
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        check_files(samples, CAMVID, known=known, progress=interrupted)
    truncate(samples[2].image)
    seen = []
    line(samples, known=known, progress=lambda results, total, what: seen.append(total) or results)
    assert seen == [3]
    samples[2].image.write_bytes(whole)
    assert read(monkeypatch, samples, known=known) == [samples[2]]


def test_a_memory_that_is_damaged_or_of_another_version_is_written_anew(samples, tmp_path, monkeypatch):
    known = tmp_path / "known.json"
    for content in (b"", b"\xff\xfe", b'{"format": 1, "samples": {}}'):
        known.write_bytes(content)
        assert read(monkeypatch, samples, known=known) == list(samples)
        assert len(json.loads(known.read_text())["samples"]) == 5


def test_what_is_known_of_one_class_set_says_nothing_of_another(tmp_path):
    """Of another name, and of other ids where a folder names them."""
    known, data, own = tmp_path / "known.json", open_dataset(write_own(tmp_path)), replace(YARD, void=(0,))
    check_files(data.train, YARD, known=known)
    assert "label id 255" in line(data.train, own, known=known) and "camvid ids" in line(data.train, known=known)


def test_images_and_labels_meet_upright_or_are_refused_before_training(samples):
    """A turned PNG, its label upright or as stored; where sizes cannot show it, the line on turned images does."""
    for sample in samples[:2]:
        ids = np.zeros((32, 24), np.uint8)
        ids[0, 0] = 3
        picture = np.random.RandomState(0).randint(0, 256, (24, 32, 3)).astype(np.uint8)
        for kind in (".png", ".jpg"):
            image = sample.image.with_suffix(kind)
            image.write_bytes(with_exif(kind, picture, exif(6)))
            turned = Sample(image, sample.label)
            write_png(sample.label, ids)
            found = check_files([turned, samples[3]], CAMVID)
            assert found[turned].orientation == 6 and found[turned].size == (32, 24)
            assert [one.shape[:2] for one in read_labelled(turned, CAMVID)] == [(32, 24)] * 2
            assert contents.turned(found).startswith(
                f"{image}: turned as its EXIF orientation says; so are 1 of the 2 ")
            write_png(sample.label, ids.T.copy())
            assert line([turned]).startswith(f"{sample.label}: the label is 24x32, its image 32x24 (height x width, "
                                             "turned as its EXIF orientation says; a label must be upright too): ")
            sample.label.write_bytes(with_exif(".png", np.rot90(ids).copy(), exif(6)))  # turned alike: right again
            check_files([turned], CAMVID)
            np.testing.assert_array_equal(read_labelled(turned, CAMVID)[1] == 3, ids == 3)
    assert contents.turned(check_files(samples[2:], CAMVID)) == ""
