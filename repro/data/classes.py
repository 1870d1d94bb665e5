"""The classes of the data sets: names, colours, and the ids their label files are written with."""

from __future__ import annotations

from dataclasses import dataclass

IGNORE = 255  # the train id of pixels that are neither trained on nor measured


@dataclass(frozen=True)
class ClassSet:
    """The classes of a data set in the order of their train ids 0, 1, ….

    names: one per class. colours: RGB, 0–255, for pictures. ids: the id of each class in label files.
    void: further ids that label files may hold; they are read as IGNORE.
    """

    name: str
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    ids: tuple[int, ...]
    void: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)


# trainId order of cityscapesScripts (helpers/labels.py): name, colour, id in *_labelIds.png.
_CITYSCAPES = (
    ("road", (128, 64, 128), 7),
    ("sidewalk", (244, 35, 232), 8),
    ("building", (70, 70, 70), 11),
    ("wall", (102, 102, 156), 12),
    ("fence", (190, 153, 153), 13),
    ("pole", (153, 153, 153), 17),
    ("traffic light", (250, 170, 30), 19),
    ("traffic sign", (220, 220, 0), 20),
    ("vegetation", (107, 142, 35), 21),
    ("terrain", (152, 251, 152), 22),
    ("sky", (70, 130, 180), 23),
    ("person", (220, 20, 60), 24),
    ("rider", (255, 0, 0), 25),
    ("car", (0, 0, 142), 26),
    ("truck", (0, 0, 70), 27),
    ("bus", (0, 60, 100), 28),
    ("train", (0, 80, 100), 31),
    ("motorcycle", (0, 0, 230), 32),
    ("bicycle", (119, 11, 32), 33),
)

# SegNet's CamVid: the ids are the train ids, 11 is void.
_CAMVID = (
    ("sky", (128, 128, 128)),
    ("building", (128, 0, 0)),
    ("pole", (192, 192, 128)),
    ("road", (128, 64, 128)),
    ("pavement", (60, 40, 222)),
    ("tree", (128, 128, 0)),
    ("sign/symbol", (192, 128, 128)),
    ("fence", (64, 64, 128)),
    ("car", (64, 0, 128)),
    ("pedestrian", (64, 64, 0)),
    ("bicyclist", (0, 128, 192)),
)

CITYSCAPES = ClassSet(
    name="cityscapes",
    names=tuple(name for name, _, _ in _CITYSCAPES),
    colours=tuple(colour for _, colour, _ in _CITYSCAPES),
    ids=tuple(id for _, _, id in _CITYSCAPES),
    # The other 15 of the 34 ids 0–33, and the licence plate's -1, which an 8-bit file can only hold as 255.
    void=tuple(sorted(set(range(34)) - {id for _, _, id in _CITYSCAPES})) + (255,),
)

CAMVID = ClassSet(
    name="camvid",
    names=tuple(name for name, _ in _CAMVID),
    colours=tuple(colour for _, colour in _CAMVID),
    ids=tuple(range(len(_CAMVID))),
    void=(11,),
)
