"""Songs whose sound and words disagree: bright sound with sad words, and the reverse.

The match of a song is the probability that a listener finds its sound on the one side of the plane
and its words on the other, both apart: the product of `scoring.side_at` of the valence by the sound
alone and by the words alone. So a song with nothing special in either has 0.25, and a good match,
0.5, is more likely than not what is asked for. It does not depend on the other songs: in a
catalogue without such songs the list is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from django.utils.translation import gettext_noop

from catalog.retold import kept
from recommender.playlists.scoring import side_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot

CONTRASTS: Final[Mapping[str, str]] = {
    "": kept(gettext_noop("any")),
    "bright_sound_sad_words": kept(gettext_noop("bright sound, sad words")),
    "dark_sound_bright_words": kept(gettext_noop("dark sound, bright words")),
}
"""The contrasts that a request may ask for, with what each is called; "" asks for none."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """A part of an aim: sound and words on opposite sides of valence."""

    name: str

    @property
    def is_sound_brighter(self) -> bool:
        """Whether the sound is the bright one."""
        return self.name == "bright_sound_sad_words"

    @property
    def place(self) -> NDArray[np.float64]:
        """The middle: such songs lie anywhere."""
        return np.array([0.5, 0.5])

    def match(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how well each row fits, in [0, 1]; 0 without sound or words."""
        sound, words = (
            column.dimension(0)[rows].astype(np.float64)
            for column in (snapshot.by_sound, snapshot.by_words)
        )
        return np.asarray(self._match(sound, words), np.float64)

    def refusal(self, snapshot: IndexSnapshot, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much of it each row is, in [0, 1]."""
        return self.match(snapshot, rows)

    def all_matches(self, snapshot: IndexSnapshot) -> NDArray[np.float32]:
        """Return how well every row of the snapshot fits; a scan of two columns."""
        found = np.empty(len(snapshot), np.float32)
        sound, words = snapshot.by_sound.dimension(0), snapshot.by_words.dimension(0)
        for part in snapshot.blocks():
            found[part] = self._match(sound[part], words[part])
        return found

    def _match(
        self, sound: NDArray[np.floating], words: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        bright, sad = (sound, words) if self.is_sound_brighter else (words, sound)
        match = side_at(bright) * side_at(1 - sad)
        return np.fmax(match, 0, out=match)  # 0 where it is NaN, much faster than `nan_to_num`
