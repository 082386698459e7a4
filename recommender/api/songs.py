"""Songs: list, details, similar songs, and their places on the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.shortcuts import get_object_or_404
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from catalog.errors import FileUnusableError, PathError, store_errors_raise
from catalog.models import Song, SongCredit, SongEmotion
from catalog.recordings import recording_files
from mer.affect import EMOTIONS, GEMS, AffectPoint, Quadrant
from mer.audio.peaks import PEAKS
from mer.prediction import KEYS, MODALITIES, MODES, SURE_FROM, UNFAMILIAR_FROM
from recommender import selectors, song_map
from recommender.api.base import (
    LISTENERS,
    PlainOutput,
    StrictQuery,
    ToldField,
    unit_field,
    valid_data,
)
from recommender.api.constraints import (
    CONSTRAINT_FIELDS,
    constraint_parameters,
    constraints_read,
)
from recommender.api.maps import MAP_RESPONSES, MAP_WORDS, FormInput, map_answer
from recommender.feedback import SongMarks, marks_of_songs
from recommender.filters import SongFilter
from recommender.library import SONG_KEYSETS
from recommender.media.waveforms import song_waveform
from recommender.models import Scope
from recommender.playlists import similar_listed, songs_similar
from recommender.playlists.constraints import songs_allowed
from recommender.terms import notes_told, told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request


class SimilarInput(serializers.Serializer[Any]):
    """Query of a request for similar songs."""

    count = serializers.IntegerField(min_value=1, max_value=100, default=20)
    whole = unit_field(
        required=False,
        help_text="Weight of all that the network knows of the songs; 1 without any weight.",
    )
    mood = unit_field(required=False, help_text="Weight of place and emotions.")
    sound = unit_field(required=False, help_text="Weight of the places by the sound alone.")
    words = unit_field(required=False, help_text="Weight of the places by the words alone.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse weights that are all 0."""
        weights = [value for name, value in attrs.items() if name != "count"]
        if weights and not any(weights):
            raise serializers.ValidationError({"whole": [gettext("One weight must be above 0.")]})
        return attrs


def _spread() -> serializers.FloatField:
    return serializers.FloatField(
        min_value=0,
        allow_null=True,
        help_text="Standard deviation of the error to be expected; null if it is not known.",
    )


def _probabilities(name: str, keys: tuple[str, ...]) -> type[serializers.Serializer[Any]]:
    """Return a serializer of an object with one number from 0 to 1 for each of `keys`."""
    return type(name, (PlainOutput,), {key: unit_field() for key in keys})


EmotionProbabilities = _probabilities("EmotionProbabilities", EMOTIONS)
QuadrantProbabilities = _probabilities("QuadrantProbabilities", tuple(map(str, Quadrant)))
ModalityGates = _probabilities("ModalityGates", MODALITIES)


class PlaceOutput(serializers.Serializer[Any]):
    valence = unit_field()
    arousal = unit_field()


AloneOutput = type(
    "AloneOutput",
    (serializers.Serializer,),
    {name: PlaceOutput(required=False) for name in MODALITIES},
)


FeltShares = _probabilities("FeltShares", GEMS)


class IntervalField(serializers.ListField):
    """[low, high]."""

    child = unit_field()

    def __init__(self, **options: Any) -> None:
        super().__init__(min_length=2, max_length=2, allow_null=True, **options)


class EmotionSummaryOutput(PlainOutput):
    model_version = serializers.CharField()
    valence = unit_field()
    arousal = unit_field()
    quadrant = serializers.ChoiceField(choices=[(q.value, q.value) for q in Quadrant])
    confidence = unit_field(help_text="Probability of the quadrant.")
    emotions = EmotionProbabilities()


class TimelinePointOutput(serializers.Serializer[Any]):
    start_seconds = serializers.FloatField()
    valence = unit_field()
    arousal = unit_field()


class LyricLineOutput(serializers.Serializer[Any]):
    line = serializers.IntegerField(
        min_value=0, help_text="Counted from 0 among the lines of the lyrics that are not blank."
    )
    text = serializers.CharField()
    valence = serializers.FloatField(help_text="How much higher the song's is because of it.")
    arousal = serializers.FloatField(help_text="How much higher the song's is because of it.")
    shift = serializers.FloatField(min_value=0, help_text="How far it moves the song.")


class PredictedOutput(serializers.Serializer[Any]):
    valence = unit_field()
    arousal = unit_field()
    quadrant = serializers.ChoiceField(choices=[(q.value, q.value) for q in Quadrant])


class EmotionOutput(EmotionSummaryOutput):
    predicted = PredictedOutput(
        allow_null=True, help_text="What the model predicted, if staff corrected it; else null."
    )
    valence_spread = _spread()
    arousal_spread = _spread()
    ambiguous = serializers.BooleanField(
        source="is_ambiguous", help_text="The quadrant is less likely than the others together."
    )
    quadrants = QuadrantProbabilities()
    gates = ModalityGates(help_text="Weight of each part of the song; they sum to 1.")
    alone = AloneOutput(
        help_text="Where the song would be by each part alone; what it lacks is absent."
    )
    timeline = TimelinePointOutput(many=True)
    lyric_lines = LyricLineOutput(
        many=True, help_text="The lines that changed the prediction most, the strongest first."
    )
    felt = serializers.SerializerMethodField(
        help_text="Share of listeners who would feel each emotion; null if it is not predicted."
    )
    kinds = serializers.DictField(
        child=unit_field(), help_text="Kinds of music, with their shares; empty if unknown."
    )
    novelty = unit_field(
        allow_null=True, help_text="How unlike the training music it is; null if unknown."
    )
    unfamiliar = serializers.BooleanField(
        source="is_unfamiliar",
        help_text=f"Whether the place is a guess: the novelty is {UNFAMILIAR_FROM} or more.",
    )
    valence_interval = IntervalField(
        help_text="[low, high], right for nine songs in ten; null if unknown, or corrected."
    )
    arousal_interval = IntervalField(help_text="As `valence_interval`.")
    lyrics_language = serializers.CharField(
        help_text="ISO 639, as identified in the words; empty if unclear."
    )
    lyrics_withheld = serializers.BooleanField(
        source="are_lyrics_withheld",
        help_text="Whether lines were left out because of their language.",
    )
    withheld_note = serializers.CharField(help_text="Which lyrics were left out, and why.")

    @extend_schema_field(FeltShares(allow_null=True))
    def get_felt(self, emotion: SongEmotion) -> dict[str, float] | None:
        return emotion.felt or None


@extend_schema_field({"type": "string", "format": "uri", "nullable": True})
class AudioURLField(serializers.HyperlinkedIdentityField):
    """The address of the sound of a song; null without any."""

    def get_url(self, obj: Any, view_name: str, request: Any, format: str | None) -> str | None:
        return super().get_url(obj, view_name, request, format) if obj.has_audio else None


class SongOutput(PlainOutput):
    id = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()
    album = serializers.CharField()
    genre = serializers.CharField()
    year = serializers.IntegerField(allow_null=True)
    duration_seconds = serializers.FloatField(allow_null=True)
    tempo_bpm = serializers.FloatField(
        allow_null=True, help_text="By the tag, else estimated; null if no estimate is sure."
    )
    tempo_source = serializers.ChoiceField(
        choices=["tag", "estimate", ""], help_text="Where the tempo is from; empty without one."
    )
    key = serializers.ChoiceField(
        choices=[*dict.fromkeys(tonic for tonic, _ in KEYS), ""],
        help_text="Tonic of the estimated key; empty if no estimate is sure.",
    )
    mode = serializers.ChoiceField(choices=[*MODES, ""], help_text="Empty without a key.")
    key_confidence = unit_field(
        allow_null=True, help_text=f"From {SURE_FROM} on the key is given; null if not estimated."
    )
    status = serializers.ChoiceField(choices=Song.Status.choices)
    has_audio = serializers.BooleanField(
        help_text="Whether it can be played; a song of a table is known by its texts alone."
    )
    audio_url = AudioURLField(
        view_name="song-audio", lookup_url_kwarg="pk", help_text="Null without audio."
    )
    emotion = EmotionSummaryOutput(
        source="current_emotion", allow_null=True, help_text="Null until it is analysed."
    )
    liked = serializers.SerializerMethodField(help_text="By you.")
    banned = serializers.SerializerMethodField(help_text="By you, or one of its artists.")
    rating = serializers.SerializerMethodField(help_text="Your stars; null without any.")

    def get_liked(self, song: Song) -> bool:
        return self._marks(song).is_liked

    def get_banned(self, song: Song) -> bool:
        return self._marks(song).is_banned

    def get_rating(self, song: Song) -> int | None:
        return self._marks(song).stars

    def _marks(self, song: Song) -> SongMarks:
        marks: SongMarks = self.context["marks"][song.pk]
        return marks


def song_context(request: Request, songs: Iterable[Song]) -> dict[str, Any]:
    """Return the context that `SongOutput` needs, for all songs of an answer."""
    ids = [song.pk for song in songs]
    return {"request": request, "marks": marks_of_songs(user=request.user, song_ids=ids)}


class CreditOutput(serializers.Serializer[Any]):
    artist_id = serializers.IntegerField()
    name = serializers.CharField(help_text="As the tags write it.")
    role = serializers.ChoiceField(choices=SongCredit.Role.choices)


class SongDetailOutput(SongOutput):
    emotion = EmotionOutput(
        source="current_emotion", allow_null=True, help_text="Null until it is analysed."
    )
    lyrics = serializers.CharField()
    lyrics_source = serializers.CharField()
    lyrics_note = ToldField(told=notes_told, help_text="Lyrics that were refused, and why.")
    tags_note = serializers.CharField(help_text="What was mended in the tags.")
    credits = CreditOutput(many=True, help_text="Artists in order, the main ones first.")
    genres = serializers.StringRelatedField(many=True)  # type: ignore[var-annotated]
    album_id = serializers.IntegerField(source="album_entry_id", allow_null=True)
    album_artist = serializers.CharField()
    track_number = serializers.IntegerField(allow_null=True)
    disc_number = serializers.IntegerField(allow_null=True)
    bpm = serializers.FloatField(allow_null=True, help_text="By the tag.")
    tempo_confidence = unit_field(
        allow_null=True, help_text="Of the estimate of the tempo; null if not estimated."
    )
    language = serializers.CharField(help_text="ISO 639, by the tag; empty if it has none.")
    explicit = serializers.BooleanField(
        source="is_explicit", allow_null=True, help_text="By the tag; null if it says nothing."
    )
    replaygain_db = serializers.FloatField(allow_null=True)
    mood_tags = serializers.ListField(child=serializers.CharField())
    musicbrainz_recording_id = serializers.CharField()
    same_recording = serializers.SerializerMethodField(
        help_text="Other songs that are the same recording; lists show one of them."
    )
    failure_code = serializers.CharField()
    failure_message = serializers.SerializerMethodField(
        help_text="Only staff are told in which folder the file lies."
    )
    created_at = serializers.DateTimeField()

    def get_failure_message(self, song: Song) -> str:
        is_staff = self.context["request"].user.is_staff
        return told(song.failure_message if is_staff else song.shown_failure)

    def get_same_recording(self, song: Song) -> list[int]:
        return list(recording_files(song).values_list("pk", flat=True))


class MoodSectionOutput(serializers.Serializer[Any]):
    start_seconds = serializers.FloatField(min_value=0)
    valence = unit_field()
    arousal = unit_field()
    quadrant = serializers.ChoiceField(choices=list(Quadrant))


class WaveformOutput(serializers.Serializer[Any]):
    duration_seconds = serializers.FloatField()
    peaks = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=255),
        min_length=PEAKS,
        max_length=PEAKS,
        help_text="How loud each of equally long parts is, relative to the loudest moment.",
    )
    sections = MoodSectionOutput(
        many=True, help_text="The mood from each start to the next; empty if not analysed."
    )


class SimilarPartsOutput(serializers.Serializer[Any]):
    """How alike two songs are by each part; what is not known of both is null."""

    whole = unit_field()
    mood = unit_field()
    sound = unit_field(allow_null=True)
    words = unit_field(allow_null=True)


class SimilarSongOutput(serializers.Serializer[Any]):
    song = SongOutput()
    similarity = serializers.FloatField(min_value=-1, max_value=1, help_text="Cosine.")
    score = unit_field(help_text="The weighted mean of the parts; the songs are in its order.")
    parts = SimilarPartsOutput()


_FILTERS: Final = [name for name in CONSTRAINT_FIELDS if name not in SongFilter.base_filters]
_OTHERS: Final = [name for name in CONSTRAINT_FIELDS if name in SongFilter.base_filters]


class SongViewSet(StrictQuery, viewsets.GenericViewSet[Song]):
    permission_classes = LISTENERS
    is_public = True
    scope = Scope.READ
    queryset = Song.objects.none()
    serializer_class = SongOutput
    filterset_class = SongFilter
    keysets = SONG_KEYSETS
    query_inputs = {"similar": SimilarInput, "map": FormInput}
    query_names = {"list": _FILTERS, "similar": CONSTRAINT_FIELDS}

    def get_queryset(self) -> QuerySet[Song]:
        is_detail = self.action == "retrieve"
        return selectors.song_details() if is_detail else selectors.song_list()

    def filter_queryset(self, queryset: Any) -> Any:
        """Filter lists alone: what is asked of one song's neighbours is no filter of the song."""
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    @extend_schema(
        summary="Songs",
        description="Every constraint of a playlist is a filter here, too.",
        parameters=constraint_parameters(*_OTHERS),
        responses=SongOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        wanted = constraints_read(request.query_params.dict(), *_OTHERS)
        songs = songs_allowed(self.filter_queryset(self.get_queryset()), wanted, request.user)
        page = self.paginate_queryset(songs) or []
        output = SongOutput(page, many=True, context=song_context(request, page))
        return self.get_paginated_response(output.data)

    @extend_schema(summary="A song and its emotion", responses=SongDetailOutput)
    def retrieve(self, request: Request, pk: str) -> Response:
        song = self.get_object()
        return Response(SongDetailOutput(song, context=song_context(request, [song])).data)

    @extend_schema(
        summary="Songs that sound and read alike",
        description="Constraints of playlists limit them. With weights, `score` is the weighted "
        "mean of the parts, and songs of which such a part is not known are left out.",
        parameters=[SimilarInput, *constraint_parameters()],
        responses={
            200: SimilarSongOutput(many=True),
            409: OpenApiResponse(description="The song is not analysed."),
        },
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def similar(self, request: Request, pk: str) -> Response:
        query = valid_data(SimilarInput(data=request.query_params.dict()))
        limits = constraints_read(request.query_params.dict())
        song = self.get_object()
        count = query.pop("count")
        found = songs_similar(
            song_id=song.pk, k=count, user=request.user, limits=limits, weights=query
        )
        answer: list[dict[str, Any]] = [
            {
                "song": similar,
                "similarity": match.similarity,
                "score": match.score,
                "parts": match.parts,
            }
            for match, similar in similar_listed(found)
        ]
        context = song_context(request, [row["song"] for row in answer])
        output = SimilarSongOutput(answer, many=True, context=context)
        return Response(output.data)

    @extend_schema(
        summary="How loud a song is through time, and its mood",
        description="Measured at the first request, which takes about a second; then kept. "
        "503 if too many are being measured.",
        responses={
            200: WaveformOutput,
            409: OpenApiResponse(description="The file cannot be decoded."),
        },
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def waveform(self, request: Request, pk: str) -> Response:
        song = get_object_or_404(selectors.song_files(), pk=self.get_object().pk)
        if not song.has_audio:
            raise NotFound(gettext("This song has no audio: it is known from a table alone."))
        try:
            waveform = song_waveform(song=song)
        except (PathError, FileUnusableError) as error:
            store_errors_raise(error)
            raise NotFound(gettext("The file of this song is not there.")) from error
        sections = [
            {**point, "quadrant": AffectPoint(point["valence"], point["arousal"]).quadrant}
            for point in selectors.song_timeline(song.pk)
        ]
        answer = {
            "duration_seconds": waveform.duration_seconds,
            "peaks": list(bytes(waveform.peaks)),
            "sections": sections,
        }
        response = Response(WaveformOutput(answer).data)
        patch_cache_control(response, private=True, max_age=3600)
        return response

    @extend_schema(
        summary="Places of all songs on the plane",
        description=MAP_WORDS,
        parameters=[FormInput],
        responses=MAP_RESPONSES,
        filters=False,
    )
    @action(detail=False, pagination_class=None)
    def map(self, request: Request) -> HttpResponseBase:
        return map_answer(song_map.song_map(), request)


_router = SimpleRouter()
_router.register("songs", SongViewSet, basename="song")
urlpatterns = _router.urls
