"""Rows for tests: `SongFactory()` is a song whose file need not exist, `SongEmotionFactory()` what
a model said of it. `random_embedding(seed)` is the unit vector that they use.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import factory
import numpy as np
from django.contrib.auth import get_user_model
from factory.django import DjangoModelFactory

from catalog.models import Library, Song, SongEmotion
from mer.affect import EMOTIONS, GEMS, QUADRANTS, AffectPoint
from mer.prediction import EMBEDDING_DIM
from recommender.accounts import token_create

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL_VERSION = "affetti-00000000"


def random_embedding(seed: int) -> NDArray[np.float32]:
    """Return a (256,) unit vector that depends on `seed` alone."""
    vector = np.random.default_rng(seed).standard_normal(EMBEDDING_DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def random_probabilities(names: tuple[str, ...], seed: int) -> dict[str, float]:
    """Return probabilities of `names` that sum to 1 and depend on `seed` alone."""
    values = np.random.default_rng(seed).dirichlet(np.ones(len(names)))
    return {str(name): float(value) for name, value in zip(names, values, strict=True)}


def some_alone(seed: int) -> dict[str, dict[str, float]]:
    """Return places by sound and by words; some songs have no words, and some nothing."""
    rng = np.random.default_rng(seed)
    names = ((), ("audio",), ("audio", "lyrics"), ("audio", "lyrics"), ("audio", "lyrics"))
    return {
        name: {"valence": float(rng.random()), "arousal": float(rng.random())}
        for name in names[seed % len(names)]
    }


def some_felt(seed: int) -> dict[str, float]:
    """Return what listeners would feel, as a model that predicts it gives it."""
    shares = np.random.default_rng(seed).random(len(GEMS))
    return {name: float(share) for name, share in zip(GEMS, shares, strict=True)}


class UserFactory(DjangoModelFactory[Any]):
    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    password = factory.django.Password("pass-word-1")


def token_secret(user: Any, *scopes: str) -> str:
    """Return the secret of a new token of `user`, by default one that may do everything."""
    return token_create(user=user, name="Test", scopes=scopes or ["admin"])[1]


class LibraryFactory(DjangoModelFactory[Library]):
    class Meta:
        model = Library

    name = factory.Sequence(lambda n: f"Library {n}")
    root = factory.Sequence(lambda n: f"/music/library-{n}")


class SongFactory(DjangoModelFactory[Song]):
    class Meta:
        model = Song

    library = factory.SubFactory(LibraryFactory)
    content_sha256 = factory.Sequence(lambda n: hashlib.sha256(str(n).encode()).hexdigest())
    relative_path = factory.Sequence(lambda n: f"album/{n:05d}.flac")
    file_size_bytes = 1_000_000
    file_mtime_ns = 1_700_000_000_000_000_000
    title = factory.Sequence(lambda n: f"Title {n}")
    artist = factory.Sequence(lambda n: f"Artist {n % 10}")
    album = "Album"
    genre = factory.Iterator(["pop", "rock", "classical"])
    year = factory.Sequence(lambda n: 1990 + n % 30)
    duration_seconds = 180.0
    status = Song.Status.ANALYSED


class SongEmotionFactory(DjangoModelFactory[SongEmotion]):
    """`SongEmotionFactory(valence=.8, arousal=.2)`; the rest follows or is random by sequence."""

    class Meta:
        model = SongEmotion

    class Params:
        seed = factory.Sequence(lambda n: n)

    song = factory.SubFactory(SongFactory)
    model_version = MODEL_VERSION
    valence = factory.LazyAttribute(lambda o: float(np.random.default_rng(o.seed).random()))
    arousal = factory.LazyAttribute(lambda o: float(np.random.default_rng(o.seed + 1).random()))
    valence_spread = 0.12
    arousal_spread = 0.08
    quadrant = factory.LazyAttribute(lambda o: str(AffectPoint(o.valence, o.arousal).quadrant))
    quadrants = factory.LazyAttribute(
        lambda o: {str(q): 0.7 if q == o.quadrant else 0.1 for q in QUADRANTS}
    )
    emotions = factory.LazyAttribute(lambda o: random_probabilities(EMOTIONS, o.seed))
    confidence = 0.7
    gates = factory.LazyFunction(lambda: {"audio": 0.6, "lyrics": 0.3, "context": 0.1})
    timeline = factory.LazyAttribute(
        lambda o: [
            {"start_seconds": start, "valence": o.valence, "arousal": o.arousal}
            for start in (0.0, 3.0, 6.0)
        ]
    )
    fused_embedding = factory.LazyAttribute(
        lambda o: random_embedding(o.seed).astype("<f4").tobytes()
    )
    analysis_seconds = 0.5
