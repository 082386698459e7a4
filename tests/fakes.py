"""A pipeline without networks: what it says of a song follows from the song alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mer.affect import EMOTIONS, QUADRANTS, AffectPoint
from mer.audio.patches import song_patches
from mer.lyrics import lyric_lines
from mer.prediction import EmotionPrediction, LyricLine, SongInput, TempoAndKey, TimelinePoint
from tests.factories import MODEL_VERSION, random_embedding, random_probabilities, some_felt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class FakePipeline:
    """Stands in for `mer.pipeline.EmotionPipeline`; remembers what it was asked.

    `is_listening` decodes the audio for real, so that bad files fail as they would.
    `before_predict` is called with every batch, to fail or to interfere at that moment.
    """

    def __init__(self, model_version: str = MODEL_VERSION) -> None:
        self.model_version = model_version
        self.is_listening = False
        self.before_predict: Callable[[Sequence[SongInput]], object] = lambda _: None
        self.batches: list[list[SongInput]] = []

    @property
    def seen(self) -> list[SongInput]:
        return [song for batch in self.batches for song in batch]

    def prepare(self, song: SongInput) -> SongInput:
        if self.is_listening and song.path:
            song_patches(song.path, max_patches=2)
        return song

    def predict_prepared(self, songs: Sequence[SongInput]) -> list[EmotionPrediction]:
        self.before_predict(songs)
        self.batches.append(list(songs))
        return [self._predict(song) for song in songs]

    def predict_text(self, text: str) -> EmotionPrediction:
        return self._predict(SongInput(lyrics=text))

    def _predict(self, song: SongInput) -> EmotionPrediction:
        words = f"{song.path}|{song.lyrics}|{song.title}|{song.artist}"
        digest = hashlib.sha256(words.encode("utf-8", "replace")).digest()
        point = AffectPoint(digest[0] / 255, digest[1] / 255)
        has_audio = song.path is not None or not (song.title or song.artist)
        return EmotionPrediction(
            model_version=self.model_version,
            valence=point.valence,
            arousal=point.arousal,
            valence_spread=0.12,
            arousal_spread=0.08,
            quadrant=point.quadrant,
            quadrants={q: 0.7 if q is point.quadrant else 0.1 for q in QUADRANTS},
            emotions=random_probabilities(EMOTIONS, digest[2]),
            confidence=0.7,
            gates={"audio": 0.6, "lyrics": 0.3, "context": 0.1}
            if has_audio
            else {"audio": 0.0, "lyrics": 0.8, "context": 0.2},
            alone={"audio": (point.valence, point.arousal)} if has_audio else {},
            timeline=(TimelinePoint(0.0, point.valence, point.arousal),) if has_audio else (),
            fused_embedding=random_embedding(digest[3]),
            duration_seconds=4.0 if has_audio else None,
            felt=some_felt(digest[4]),
            kinds={"solo piano": 0.25, "band": 0.75},
            novelty=digest[5] / 255,
            valence_interval=(max(0.0, point.valence - 0.3), min(1.0, point.valence + 0.3)),
            arousal_interval=(max(0.0, point.arousal - 0.2), min(1.0, point.arousal + 0.2)),
            tempo_and_key=TempoAndKey(60.0 + digest[6], 0.9, digest[7] % 12, "minor", 0.8)
            if has_audio
            else None,
            lyrics_language="en" if song.lyrics else None,
            lyric_lines=tuple(
                LyricLine(line, text, 0.03, -0.04)
                for line, text in enumerate(lyric_lines(song.lyrics or "")[:3])
            ),
        )
