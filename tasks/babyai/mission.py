"""Missions as word numbers, over the closed vocabulary of the Baby language.

Source: Chevalier-Boisvert et al. 2019, "BabyAI", section 3.2, the grammar; minigrid's `verifier` and `levelgen`.
Departs: 32 words, the whole grammar; the 68 levels of AMAGO-2 (which counts 29) use 28 of them. The comma before
"then" is no word: "then" says the same.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.registry import nearest

WORDS = (
    *("go", "to", "open", "pick", "up", "put", "next"),
    *("the", "a", "red", "green", "blue", "purple", "yellow", "grey", "object", "box", "ball", "key", "door"),
    *("on", "your", "left", "right", "in", "front", "of", "behind", "you"),
    *("and", "then", "after"),
)
"""The vocabulary. A word's number is its place here and one; 0 is padding."""

_NUMBERS = {word: number for number, word in enumerate(WORDS, start=1)}

_LONGEST = {
    "OpenDoorsOrder": 10,
    "MoveTwoAcross": 19,
    "GoToSeq": 24,
    "SynthLoc": 17,
    "SynthSeq": 72,
    "MiniBossLevel": 72,
    "BossLevel": 72,
}
"""Words in the longest mission of the levels whose names begin so; of all others it is 9."""


def longest_mission(name: str) -> int:
    """Words in the longest mission that the level's grammar allows."""
    return next((length for start, length in _LONGEST.items() if name.startswith(start)), 9)


def tokenise(mission: str, length: int) -> NDArray[np.uint8]:
    """The mission as word numbers, ``[length]``, padded with 0.

    Raises:
        ValueError: a word is not in the vocabulary, or there are more than `length` words.
    """
    words = mission.replace(",", " ").split()
    if len(words) > length:
        raise ValueError(f"expected a mission of at most {length} words, got {len(words)}: {mission!r}")
    tokens = np.zeros(length, np.uint8)
    for place, word in enumerate(words):
        number = _NUMBERS.get(word)
        if number is None:
            raise ValueError(
                f"unknown word {word!r} in the mission {mission!r}; {nearest(word, WORDS)} The vocabulary is "
                f"minigrid 3.2.0's: another version may say more"
            )
        tokens[place] = number
    return tokens


def words_of(tokens: NDArray[np.integer[Any]]) -> str:
    """The mission that the word numbers stand for, without punctuation; the inverse of `tokenise`."""
    return " ".join(WORDS[token - 1] for token in tokens.tolist() if token)
