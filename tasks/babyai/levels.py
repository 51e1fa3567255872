"""The levels by family of instruction, and which of them are held out from training.

Source: Grigsby et al. 2024, "AMAGO-2", Multi-Task BabyAI: all levels of minigrid but those with two goals or more.
Departs: the paper splits 50 / 18 at random; `HELD_OUT` was chosen so that every family is trained and tested.
"""

import random
from types import MappingProxyType

FAMILIES = MappingProxyType(
    {
        "goto-room": (
            "GoToRedBallGrey",
            "GoToRedBall",
            "GoToRedBallNoDists",
            "GoToRedBlueBall",
            "GoToObj",
            "GoToObjS4",
            "GoToObjS6",
            "GoToLocal",
            "GoToLocalS5N2",
            "GoToLocalS6N2",
            "GoToLocalS6N3",
            "GoToLocalS6N4",
            "GoToLocalS7N4",
            "GoToLocalS7N5",
            "GoToLocalS8N2",
            "GoToLocalS8N3",
            "GoToLocalS8N4",
            "GoToLocalS8N5",
            "GoToLocalS8N6",
            "GoToLocalS8N7",
        ),
        "goto-maze": (
            "GoTo",
            "GoToOpen",
            "GoToObjMaze",
            "GoToObjMazeOpen",
            "GoToObjMazeS4R2",
            "GoToObjMazeS4",
            "GoToObjMazeS5",
            "GoToObjMazeS6",
            "GoToObjMazeS7",
            "GoToImpUnlock",
        ),
        "goto-door": ("GoToDoor", "GoToObjDoor"),
        "open": ("Open", "OpenRedDoor", "OpenDoor", "OpenDoorDebug", "OpenDoorColor", "OpenDoorLoc"),
        "pickup": ("Pickup", "UnblockPickup", "PickupLoc", "PickupDist", "PickupDistDebug", "PickupAbove"),
        "pickup-room": ("OneRoomS8", "OneRoomS12", "OneRoomS16", "OneRoomS20"),
        "pickup-search": ("FindObjS5", "FindObjS6", "FindObjS7"),
        "unlock": ("Unlock", "UnlockLocal", "UnlockLocalDist", "KeyInBox"),
        "unlock-pickup": ("UnlockPickup", "UnlockPickupDist", "BlockedUnlockPickup", "UnlockToUnlock"),
        "key-corridor": (
            "KeyCorridor",
            "KeyCorridorS3R1",
            "KeyCorridorS3R2",
            "KeyCorridorS3R3",
            "KeyCorridorS4R3",
            "KeyCorridorS5R3",
            "KeyCorridorS6R3",
        ),
        "mixed": ("ActionObjDoor",),
        "sequence": ("OpenRedBlueDoors",),
    }
)
"""Family -> its levels: minigrid's ids without "BabyAI-" and the version. Together they are the 68 of AMAGO-2."""

SIXTY_EIGHT = tuple(level for family in FAMILIES.values() for level in family)

OTHERS = (
    "GoToSeq",
    "GoToSeqS5R2",
    "OpenTwoDoors",
    "OpenRedBlueDoorsDebug",
    "OpenDoorsOrderN2",
    "OpenDoorsOrderN4",
    "OpenDoorsOrderN2Debug",
    "OpenDoorsOrderN4Debug",
    "PutNextLocal",
    "PutNextLocalS5N3",
    "PutNextLocalS6N4",
    "PutNextS4N1",
    "PutNextS5N2",
    "PutNextS5N1",
    "PutNextS6N3",
    "PutNextS7N4",
    "PutNextS5N2Carrying",
    "PutNextS6N3Carrying",
    "PutNextS7N4Carrying",
    "MoveTwoAcrossS5N2",
    "MoveTwoAcrossS8N9",
    "Synth",
    "SynthS5R2",
    "SynthLoc",
    "SynthSeq",
    "MiniBossLevel",
    "BossLevel",
    "BossLevelNoUnlock",
)
"""Levels that AMAGO-2 leaves out; they can be played by name."""

NAMES = SIXTY_EIGHT + OTHERS

HELD_OUT = (
    "GoToRedBallNoDists",
    "GoToObjS6",
    "GoToLocalS6N3",
    "GoToLocalS7N5",
    "GoToLocalS8N4",
    "GoToLocalS8N7",
    "GoToObjMazeOpen",
    "GoToObjMazeS6",
    "GoToObjDoor",
    "OpenDoorColor",
    "PickupDistDebug",
    "PickupAbove",
    "OneRoomS16",
    "FindObjS6",
    "UnlockLocalDist",
    "UnlockPickupDist",
    "KeyCorridorS3R2",
    "KeyCorridorS5R3",
)
"""The 18 levels of the suite's own split that training never sees."""


def held_out_levels(split_seed: int | None = None) -> tuple[str, ...]:
    """The 18 levels that are tested, not trained.

    Args:
        split_seed: None: `HELD_OUT`; an integer: 18 drawn at random, uniformly among the splits in which every
            family of two levels or more has some on either side.
    Returns:
        Levels in the order of `SIXTY_EIGHT`.
    Raises:
        ValueError: the seed is no integer from 0.
    """
    if split_seed is None:
        return HELD_OUT
    if isinstance(split_seed, bool) or not isinstance(split_seed, int) or split_seed < 0:
        raise ValueError(f"expected an integer from 0 as split_seed, or None, got {split_seed!r}")
    generator = random.Random(split_seed)
    while True:
        drawn = frozenset(generator.sample(SIXTY_EIGHT, len(HELD_OUT)))
        if spans_families(drawn):
            return tuple(level for level in SIXTY_EIGHT if level in drawn)


def spans_families(held_out: frozenset[str]) -> bool:
    """Whether every family of two levels or more is trained as well as tested."""
    return all(
        0 < sum(level in held_out for level in family) < len(family) for family in FAMILIES.values() if len(family) > 1
    )
