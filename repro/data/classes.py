"""The classes of the data sets: names, colours, and the ids their label files are written with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Iterable

from repro.config import parsing
from repro.errors import UserError, choice, shown

IGNORE = 255  # the train id of pixels that are neither trained on nor measured
MOST = 254    # classes: the train ids below 254, which marks an id of none where labels are read


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

    @property
    def own(self) -> bool:
        """Whether they are none of those known here, but named by the folder of a data set."""
        return KNOWN.get(self.name) != self


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

KNOWN = {one.name: one for one in (CITYSCAPES, CAMVID)}


def of_names(names: Iterable[str], own: ClassSet | None, place: str) -> ClassSet:
    """`own`, or the set known here that has these names; UserError where there is none."""
    names = tuple(names)
    classes = own or next((one for one in KNOWN.values() if one.names == names), None)
    if classes is None or classes.names != names:
        raise UserError(f"{place}: their classes ({', '.join(names)}) are of no known set; "
                        f"known are {', '.join(KNOWN)}")
    return classes


def plain(classes: ClassSet):
    """Return what stands for `classes` in a file: the name of a set known here, or all values of another."""
    return asdict(classes) if classes.own else classes.name


def parse(value, place: str) -> ClassSet:
    """Return the inverse of `plain`; a UserError begins with `place` and names the key."""
    if isinstance(value, str):
        return KNOWN[choice(value, tuple(KNOWN), place)]
    return parse_values(value, place)


def parse_values(value, place: str) -> ClassSet:
    """Return classes from a mapping of all their values, checked."""
    ids = parsing.sequence(byte)
    return checked(ClassSet(**parsing.fields(value, place, {
        "name": parsing.text, "names": parsing.sequence(parsing.text), "colours": parsing.sequence(colour),
        "ids": ids, "void": ids})), place)


def byte(value, place: str) -> int:
    """Check a whole number that 8 bits hold: an id, or a share of a colour."""
    if not 0 <= parsing.integer(value, place) <= 255:
        raise UserError(f"{place}: {value} is not between 0 and 255")
    return value


def colour(value, place: str) -> tuple[int, int, int]:
    """Check a colour, RGB."""
    found = parsing.sequence(byte)(value, place)
    if len(found) != 3:
        raise UserError(f"{place}: {shown(value)} is not red, green and blue, such as [128, 64, 128]")
    return found


def checked(classes: ClassSet, place: str) -> ClassSet:
    """`classes`, if a network can be trained on them and files and pictures tell them apart; UserError otherwise."""
    names, colours, ids = classes.names, classes.colours, classes.ids
    if not len(names) == len(colours) == len(ids):
        raise UserError(f"{place}: {len(names)} names, {len(colours)} colours and {len(ids)} ids")
    if not 2 <= len(names) <= MOST:
        raise UserError(f"{place}: {len(names)} classes; there must be 2 to {MOST}")
    for what, values in (("name", names), ("id", ids), ("colour", colours)):
        for index, value in enumerate(values):
            if value in values[:index]:
                it = list(value) if isinstance(value, tuple) else value
                raise UserError(f"{place}: {what} {it!r} is both that of {names[values.index(value)]} and of "
                                f"{names[index]}")
    both = sorted(set(ids) & set(classes.void))
    if both:
        raise UserError(f"{place}: void: id {both[0]} is that of {names[ids.index(both[0])]}")
    return classes
