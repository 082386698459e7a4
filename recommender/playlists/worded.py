"""What the words of a request come to: a target, refused moods, filters, and what was understood.

`recommender.words` reads them by rules, against the names that the catalogue has. The text network
rates only descriptions that no rule knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from django.utils.translation import gettext, gettext_noop, pgettext_lazy

from catalog import analysis
from catalog.errors import ModelAwayError
from catalog.files.names import folded
from catalog.models import Album, Artist, Genre
from catalog.retold import kept
from mer.affect import EMOTIONS, GEMS
from mer.errors import InputError
from mer.prediction import EMBEDDING_DIM
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.moods import MOODS, mood_find
from recommender.playlists.scoring import PartWeights, Target
from recommender.terms import listed_or
from recommender.words import Filters, Part, Vocabulary, is_telling, understand
from recommender.words.described import PHRASE_SHARE
from recommender.words.vocabulary import spans_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot
    from recommender.playlists.request import PlaylistRequest
    from recommender.words import Understood

MOOD: Final = PartWeights(closeness=1.0, emotions=0.5)
TEXT: Final = PartWeights(closeness=1.0, emotions=0.5, likeness=0.25)
_PLACE: Final = PartWeights(closeness=1.0)
_MISREAD: Final = kept(gettext_noop("“%(word)s” is read as “%(right)s”."))
_LEFT: Final = kept(gettext_noop("Not understood: %(texts)s."))
_MODEL_AWAY: Final = kept(
    gettext_noop("Words cannot be rated while the model changes; ask for a mood, a point or songs")
)
_MOST_NAMES: Final = 900
"""SQLite takes at most 999 parameters a query."""
_MOST_NEAR: Final = 3_000
"""Artists whose names begin alike that are compared with a misspelt one."""
_SUGGESTED: Final = (
    pgettext_lazy("what a listener may write", "calm"),
    pgettext_lazy("what a listener may write", "happy"),
    pgettext_lazy("what a listener may write", "sad but energetic"),
    pgettext_lazy("what a listener may write", "not angry"),
    pgettext_lazy("what a listener may write", "driving at night"),
)


@dataclass(frozen=True, slots=True)
class Worded:
    """The readings of a request's words: of `text`, and of moods that have no name of ours."""

    text: Understood | None
    names: Mapping[str, Understood] = field(default_factory=dict)
    is_more_rated: bool = False
    """Whether words are refused by their weight: the network rates them as they stand."""

    @property
    def needs_network(self) -> bool:
        """Whether the text network has to rate something."""
        return self.is_more_rated or any(reading.phrase for reading in self._all)

    @property
    def is_relative(self) -> bool:
        """Whether the text moves the target before, as "calmer" does."""
        return self.text is not None and self.text.is_relative

    @property
    def wants(self) -> bool:
        """Whether the words name something that is wanted, not only what is refused."""
        return any(
            reading.phrase or any(sense.weight > 0 for sense in reading.targets)
            for reading in self._all
        )

    @property
    def exclusions(self) -> tuple[str, ...]:
        """Moods that are refused."""
        return tuple(dict.fromkeys(mood for one in self._all for mood in one.exclusions))

    @property
    def filters(self) -> Filters:
        """The filters of the first words that have any."""
        return next((reading.filters for reading in self._all if reading.filters), Filters())

    def applied(self, request: PlaylistRequest) -> PlaylistRequest:
        """Return the request with what its words say of sound and lyrics apart.

        What the request says itself stays.
        """
        contrast = next((one.contrast for one in self._all if one.contrast), "")
        weights = (one.words_weight for one in self._all if one.words_weight is not None)
        found = {
            "contrast": request.contrast or contrast,
            "words_weight": next(weights, None)
            if request.words_weight is None
            else request.words_weight,
        }
        return (
            request
            if not any(found.values()) and found["words_weight"] is None
            else (request.replace(**found))
        )

    @property
    def _all(self) -> tuple[Understood, ...]:
        return (*((self.text,) if self.text else ()), *self.names.values())


@dataclass(frozen=True, slots=True)
class Heard:
    """What some words came to, network included; `target` is None if they name no target."""

    target: Target | None
    parts: tuple[Part, ...] = ()
    not_understood: tuple[str, ...] = ()
    corrections: Mapping[str, str] = field(default_factory=dict)


def worded(request: PlaylistRequest) -> Worded:
    """Return the readings of the words of a request; no network, three queries for each text."""
    last = request.last_target
    base = (last.valence, last.arousal) if last is not None else None
    signs = dict(request.weights)
    texts = [request.text] if request.text and signs.get("text", 1.0) > 0 else []
    moods = [(name, weight) for name, weight in request.moods if mood_find(name) is None]
    names = [name for name, weight in moods if weight * signs.get("moods", 1.0) > 0]
    refused = len(names) < len(moods) or bool(request.text and not texts)
    names += [stop.mood for stop in request.journey if stop.mood and mood_find(stop.mood) is None]
    read = {
        text: understand(text, catalogue_vocabulary(text), last=base) for text in {*texts, *names}
    }
    return Worded(
        text=read[request.text] if texts else None,
        names={name: read[name] for name in names},
        is_more_rated=refused,
    )


def catalogue_vocabulary(text: str) -> Vocabulary:
    """Return the names of the catalogue that may occur in a text."""
    spans, after_by = spans_of(text)
    keys = list(dict.fromkeys(folded(span) for span in spans))[:_MOST_NAMES]
    artists = set(Artist.objects.filter(key__in=keys).order_by().values_list("name", flat=True))
    for word in after_by:
        near = Artist.objects.filter(key__startswith=folded(word)[:2]).order_by()
        artists |= set(near.values_list("name", flat=True)[:_MOST_NEAR])
    return Vocabulary(
        genres=Genre.objects.order_by("pk").values_list("name", flat=True)[:_MOST_NEAR],
        artists=sorted(artists),
        albums=Album.objects.filter(key__in=keys).order_by("pk").values_list("title", flat=True),
    )


def heard(reading: Understood, field: str, snapshot: IndexSnapshot) -> Heard:
    """Return what a reading comes to; the network rates its description."""
    parts, left = reading.parts, reading.not_understood
    spoken: Target | None = None
    if reading.phrase:
        spoken, doubt = rated(reading.phrase, field, snapshot)
        if is_telling(reading.phrase, *spoken.place.tolist()):
            parts = (*parts, _described(reading.phrase, spoken, doubt))
        else:
            spoken, left = None, (*left, reading.phrase)
    return Heard(_target(reading, spoken), parts, left, reading.corrections)


def rated(text: str, field: str, snapshot: IndexSnapshot) -> tuple[Target, float]:
    """Return the target that the network predicts for a text, and its doubt."""
    try:
        prediction = analysis.text_analyse(text=text, version=snapshot.model_version)
    except ModelAwayError as error:
        raise PlaylistRequestError(
            PlaylistErrorCode.WORDS_UNAVAILABLE,
            gettext(_MODEL_AWAY),
            {"field": field},
        ) from error
    except InputError as error:
        raise PlaylistRequestError(
            PlaylistErrorCode.REQUEST_INVALID,
            gettext("%(field)s has no words that the network can rate: %(text)r")
            % {"field": field, "text": text},
            {"field": field},
        ) from error
    place = np.array([prediction.valence, prediction.arousal])
    emotions = np.array([prediction.emotions[name] for name in EMOTIONS])
    target = Target(
        place,
        relative(place, snapshot),
        stressed(emotions, snapshot),
        prediction.fused_embedding,
        TEXT,
    )
    return target, 1.0 - prediction.confidence


def not_understood_error(reading: Heard, field: str) -> PlaylistRequestError:
    """Return the error for words of which nothing was understood."""
    words = ", ".join(
        gettext("“%(words)s”") % {"words": text} for text in reading.not_understood
    ) or gettext("these words")
    return PlaylistRequestError(
        PlaylistErrorCode.WORDS_NOT_UNDERSTOOD,
        gettext(
            "This is not understood: %(words)s. "
            "Write a mood or a situation, for example %(examples)s"
        )
        % {"words": words, "examples": listed_or([str(one) for one in _SUGGESTED])},
        {"field": field, "not_understood": list(reading.not_understood)},
    )


def notes_of(heard_words: Sequence[Heard]) -> tuple[str, ...]:
    """Return sentences on misspelt words and on words that are not understood."""
    wrong = {word: right for one in heard_words for word, right in one.corrections.items()}
    left = list(dict.fromkeys(text for one in heard_words for text in one.not_understood))
    notes = [_MISREAD % {"word": word, "right": right} for word, right in wrong.items()]
    if left:
        notes.append(_LEFT % {"texts": ", ".join(f"“{text}”" for text in left)})
    return tuple(notes)


def relative(place: NDArray[np.float64], snapshot: IndexSnapshot) -> NDArray[np.float64]:
    """Return a place of the plane as shares of the catalogue."""
    return np.array(
        [
            snapshot.share_below(place[axis : axis + 1].astype(np.float32), axis)[0]
            for axis in (0, 1)
        ]
    )


def stressed(emotions: NDArray[np.float64], snapshot: IndexSnapshot) -> NDArray[np.float64]:
    """Return the emotions above the mean of the catalogue, as weights that sum to 1."""
    above = np.maximum(emotions - snapshot.mean_affect[2:], 0.0)
    return above / (above.sum() or 1.0)


def no_direction() -> NDArray[np.float32]:
    """Return the direction of a target that has none."""
    return np.zeros(EMBEDDING_DIM, np.float32)


def blended(parts: Sequence[tuple[float, Target]]) -> Target:
    """Return the weighted mean of targets."""
    total = sum(weight for weight, _ in parts)

    def mean(name: str) -> float:
        return sum(weight * float(getattr(part.weights, name)) for weight, part in parts) / total

    emotions = np.sum([w * part.weights.emotions * part.emotions for w, part in parts], 0)
    fused = np.sum([w * part.weights.likeness * part.fused for w, part in parts], 0)
    has_quadrants = any(part.quadrants is not None for _, part in parts)
    quadrants = np.sum([w * part.sides for w, part in parts], 0) / total
    return Target(
        place=np.sum([w * part.place for w, part in parts], 0) / total,
        relative=np.sum([w * part.relative for w, part in parts], 0) / total,
        emotions=emotions / (emotions.sum() or 1.0),
        fused=(fused / (np.linalg.norm(fused) or 1.0)).astype(np.float32),
        weights=PartWeights(
            mean("closeness"),
            mean("emotions") if emotions.any() else 0.0,
            mean("likeness") if fused.any() else 0.0,
            mean("quadrants"),
        ),
        quadrants=quadrants if has_quadrants else None,
        felt=_felt_blended(parts),
    )


def _felt_blended(parts: Sequence[tuple[float, Target]]) -> NDArray[np.float64] | None:
    if all(part.felt is None for _, part in parts):
        return None
    nothing = np.zeros(len(GEMS))
    felt = np.sum(
        [
            weight
            * part.weights.emotions
            * (np.concatenate([nothing, part.emotions]) if part.felt is None else part.felt)
            for weight, part in parts
        ],
        0,
    )
    # A text may refuse every emotion that its moods stress.
    return np.asarray(felt / felt.sum()) if felt.any() else None


def felt_weights(
    felt: Mapping[str, float], emotions: Mapping[str, float]
) -> NDArray[np.float64] | None:
    """Return `Target.felt`: what listeners feel, and emotions of moods that have none such."""
    if not felt:
        return None
    weights = np.array(
        [*(felt.get(name, 0.0) for name in GEMS), *(emotions.get(name, 0.0) for name in EMOTIONS)]
    )
    return np.asarray(weights / weights.sum())


def _target(reading: Understood, spoken: Target | None) -> Target | None:
    ruled: Target | None = None
    is_bare = bool(reading.filters) and spoken is None and not reading.contrast
    if reading.place is not None or is_bare:
        # Filters alone ask for no mood: the list is made of the middle of what they leave.
        place = np.array(reading.place or (0.5, 0.5))
        emotions = np.array([reading.emotions.get(name, 0.0) for name in EMOTIONS])
        weights = MOOD if emotions.any() else _PLACE
        # The coordinates of moods are shares: "joy" is the happiest sixth of this catalogue.
        felt = felt_weights(reading.felt, reading.unfelt)
        ruled = Target(place, place, emotions, no_direction(), weights, felt=felt)
    if spoken is not None and reading.exclusions:
        spoken = _without(spoken, reading.exclusions)
    if ruled is None or spoken is None:
        return ruled or spoken
    return blended([(1 - PHRASE_SHARE, ruled), (PHRASE_SHARE, spoken)])


def _without(target: Target, moods: Sequence[str]) -> Target:
    """Return a target that does not stress the emotions of refused moods."""
    refused = {emotion for mood in moods for emotion in MOODS[mood].emotions}
    emotions = np.where([name in refused for name in EMOTIONS], 0.0, target.emotions)
    return replace(target, emotions=emotions / (emotions.sum() or 1.0))


def _described(phrase: str, target: Target, doubt: float) -> Part:
    valence, arousal = target.place.tolist()
    return Part(phrase, f"valence {valence:.2f}, arousal {arousal:.2f}", 1.0, doubt)
