"""What the API answers with; every field is read as it stands, nothing is worked out here."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from catalog.models import BackgroundJob, Song
from mer.affect import EMOTIONS, Quadrant
from mer.prediction import MODALITIES


def _unit(**kwargs: Any) -> serializers.FloatField:
    return serializers.FloatField(min_value=0, max_value=1, **kwargs)


def _spread() -> serializers.FloatField:
    return serializers.FloatField(
        min_value=0,
        allow_null=True,
        help_text="Standard deviation of the error to be expected; null if it is not known.",
    )


def _probabilities(name: str, keys: tuple[str, ...]) -> type[serializers.Serializer[Any]]:
    """Return a serializer of an object with one number from 0 to 1 for each of `keys`."""
    return type(name, (serializers.Serializer,), {key: _unit() for key in keys})


EmotionProbabilities = _probabilities("EmotionProbabilities", EMOTIONS)
QuadrantProbabilities = _probabilities("QuadrantProbabilities", tuple(map(str, Quadrant)))
ModalityGates = _probabilities("ModalityGates", MODALITIES)


class EmotionSummaryOutput(serializers.Serializer[Any]):
    model_version = serializers.CharField()
    valence = _unit()
    arousal = _unit()
    quadrant = serializers.ChoiceField(choices=[(q.value, q.value) for q in Quadrant])
    confidence = _unit(help_text="Probability of the quadrant.")
    emotions = EmotionProbabilities()


class TimelinePointOutput(serializers.Serializer[Any]):
    start_seconds = serializers.FloatField()
    valence = _unit()
    arousal = _unit()


class LyricLineOutput(serializers.Serializer[Any]):
    line = serializers.IntegerField(
        min_value=0, help_text="Counted from 0 among the lines of the lyrics that are not blank."
    )
    text = serializers.CharField()
    valence = serializers.FloatField(help_text="How much higher the song's is because of it.")
    arousal = serializers.FloatField(help_text="How much higher the song's is because of it.")
    shift = serializers.FloatField(min_value=0, help_text="How far it moves the song.")


class EmotionOutput(EmotionSummaryOutput):
    valence_spread = _spread()
    arousal_spread = _spread()
    ambiguous = serializers.BooleanField(
        source="is_ambiguous", help_text="The quadrant is less likely than the others together."
    )
    quadrants = QuadrantProbabilities()
    gates = ModalityGates(help_text="Weight of each part of the song; they sum to 1.")
    timeline = TimelinePointOutput(many=True)
    lyric_lines = LyricLineOutput(
        many=True, help_text="The lines that moved the judgement most, the strongest first."
    )


class SongOutput(serializers.Serializer[Song]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()
    album = serializers.CharField()
    genre = serializers.CharField()
    year = serializers.IntegerField(allow_null=True)
    duration_seconds = serializers.FloatField(allow_null=True)
    status = serializers.ChoiceField(choices=Song.Status.choices)
    audio_url = serializers.HyperlinkedIdentityField(view_name="song-audio", lookup_url_kwarg="pk")
    emotion = EmotionSummaryOutput(
        source="current_emotion", allow_null=True, help_text="Null until it is analysed."
    )


class SongDetailOutput(SongOutput):
    emotion = EmotionOutput(
        source="current_emotion", allow_null=True, help_text="Null until it is analysed."
    )
    lyrics = serializers.CharField()
    lyrics_source = serializers.CharField()
    failure_code = serializers.CharField()
    failure_message = serializers.CharField()
    created_at = serializers.DateTimeField()


class SongMapPointOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()
    valence = _unit()
    arousal = _unit()


class SongMapOutput(serializers.Serializer[Any]):
    songs = SongMapPointOutput(many=True)


class SimilarSongOutput(serializers.Serializer[Any]):
    song = SongOutput()
    similarity = serializers.FloatField(min_value=-1, max_value=1, help_text="Cosine.")


class MoodOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    valence = _unit()
    arousal = _unit()
    emotions = serializers.DictField(child=serializers.FloatField())
    aliases = serializers.ListField(child=serializers.CharField())


class ReasonOutput(serializers.Serializer[Any]):
    distance = serializers.FloatField(help_text="From the target on the plane.")
    valence = _unit()
    arousal = _unit()
    shared_emotions = serializers.ListField(child=serializers.CharField())
    modality = serializers.ChoiceField(choices=[(m, m) for m in MODALITIES])
    sentence = serializers.CharField()


class EntryOutput(serializers.Serializer[Any]):
    position = serializers.IntegerField(help_text="Counted from 0.")
    score = _unit(help_text="How well it matches the target.")
    reason = ReasonOutput()
    song = SongOutput()


class PlaylistSummaryOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    entry_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class PlaylistOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    request = serializers.DictField(help_text="POST it again, with the seed, for the same list.")
    seed = serializers.IntegerField()
    model_version = serializers.CharField()
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="What to know of it, in words."
    )
    entries = EntryOutput(many=True)


class TargetOutput(serializers.Serializer[Any]):
    """What the request came to."""

    valence = _unit()
    arousal = _unit()
    emotions = serializers.DictField(child=serializers.FloatField())


class GeneratedPlaylistOutput(PlaylistOutput):
    id = serializers.UUIDField(allow_null=True, help_text="Null if the list is not kept.")
    created_at = serializers.DateTimeField(allow_null=True)
    target = TargetOutput()


class ListenedSongOutput(serializers.Serializer[Song]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()


class ListenOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    song = ListenedSongOutput()
    listened_at = serializers.DateTimeField()
    seconds_played = serializers.FloatField(allow_null=True)


class ProgressOutput(serializers.Serializer[BackgroundJob]):
    done = serializers.IntegerField(source="progress_done")
    total = serializers.IntegerField(source="progress_total")


class JobOutput(serializers.Serializer[BackgroundJob]):
    id = serializers.UUIDField()
    url = serializers.HyperlinkedIdentityField(view_name="api:job-detail")
    kind = serializers.ChoiceField(choices=BackgroundJob.Kind.choices)
    status = serializers.ChoiceField(choices=BackgroundJob.Status.choices)
    arguments = serializers.DictField()
    progress = ProgressOutput(source="*")
    result = serializers.DictField()
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(
        allow_null=True, help_text="Null while the job goes on."
    )


class FailureOutput(serializers.Serializer[Any]):
    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class DetailedProgressOutput(serializers.Serializer[Any]):
    phase = serializers.CharField()
    done = serializers.IntegerField(help_text="Files that need no more work, failed ones too.")
    total = serializers.IntegerField()
    failed = serializers.IntegerField()
    songs_per_minute = serializers.FloatField()
    eta_seconds = serializers.FloatField(allow_null=True, help_text="Null while unknown.")


class JobDetailOutput(serializers.Serializer[Any]):
    job = JobOutput()
    progress = DetailedProgressOutput(allow_null=True, help_text="Of an ingest.")
    failures = FailureOutput(
        many=True, help_text="Files that could not be used, and why: the first 200 by path."
    )
    failure_count = serializers.IntegerField(help_text="Of all of them.")


class TokenOutput(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Send it as: Authorization: Token <token>")
    expires_at = serializers.DateTimeField(allow_null=True)
