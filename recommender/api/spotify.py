"""Recommendations and audio features as Spotify's Web API shapes them.

Spotify refuses these calls to new programs. Programs that were written for them need another
address alone. Ids are those of songs and artists here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.http import JsonResponse
from django.urls import path
from django.utils.translation import gettext
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.plumbing import append_meta, build_array_type
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from mer.prediction import KEYS, MODES
from recommender import selectors
from recommender.api.base import LISTENERS, StrictQuery, unit_field, valid_data
from recommender.models import Scope
from recommender.playlists.seeded import Wish, lists_of, recommendations
from recommender.playlists.targets import song_unusable_error
from recommender.throttles import request_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from drf_spectacular.openapi import AutoSchema
    from rest_framework.request import Request

    from catalog.models import Song

MOST_FEATURES: Final = 100
_MOST_SEEDS: Final = 5
_TONICS: Final = list(dict.fromkeys(tonic for tonic, _ in KEYS))
_UNKNOWN: Final = (
    *("acousticness", "danceability", "instrumentalness", "liveness", "loudness"),
    *("popularity", "speechiness", "time_signature"),
)
"""Attributes of Spotify that are not computed here."""


def _number(high: float, **options: Any) -> serializers.FloatField:
    return serializers.FloatField(min_value=0, max_value=high, required=False, **options)


_KNOWN: Final[dict[str, Callable[[], serializers.Field[Any, Any, Any, Any]]]] = {
    "valence": lambda: _number(1),
    "energy": lambda: _number(1, help_text="Our arousal."),
    "arousal": lambda: _number(1, help_text="Another name of `energy`."),
    "tempo": lambda: _number(1000, help_text="Beats a minute."),
    "duration_ms": lambda: _number(36_000_000),
    "key": lambda: serializers.IntegerField(
        min_value=0, max_value=11, required=False, help_text="0 is C, 11 is B."
    ),
    "mode": lambda: serializers.IntegerField(
        min_value=0, max_value=1, required=False, help_text="1 is major."
    ),
}


class _Seeds(serializers.CharField):
    """Values with commas between them."""

    def to_internal_value(self, data: Any) -> Any:
        text = super().to_internal_value(data)
        return [word.strip() for word in text.split(",") if word.strip()]


class _Ids(_Seeds):
    """Ids with commas between them; `spotify:track:12` and the like are taken, too."""

    def to_internal_value(self, data: Any) -> Any:
        words = [word.rpartition(":")[2] for word in super().to_internal_value(data)]
        if not all(word.isascii() and word.isdecimal() and len(word) < 19 for word in words):
            raise serializers.ValidationError(gettext("Give ids with commas between them."))
        return [int(word) for word in words]


class RecommendationsInput(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    market = serializers.CharField(
        max_length=10, required=False, help_text="Ignored: songs are those that are here."
    )
    seed_tracks = _Ids(max_length=200, required=False, help_text="Ids of songs.")
    seed_artists = _Ids(max_length=200, required=False, help_text="Ids of artists.")
    seed_genres = _Seeds(
        max_length=1100, required=False, help_text="Songs are of these genres, as evenly as may be."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add what is least, most and wanted of each attribute."""
        fields = super().get_fields()
        for kind in ("min", "max", "target"):
            fields |= {f"{kind}_{name}": made() for name, made in _KNOWN.items()}
            fields |= {
                f"{kind}_{name}": serializers.FloatField(
                    required=False, help_text="Not computed here; `ignored` names it."
                )
                for name in _UNKNOWN
            }
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a request without any seed or target, or with too many seeds."""
        seeds = [
            one for name in ("tracks", "artists", "genres") for one in attrs.get(f"seed_{name}", ())
        ]
        if len(seeds) > _MOST_SEEDS:
            problem = gettext("Give at most %(most)s seeds in all.") % {"most": _MOST_SEEDS}
            raise serializers.ValidationError({"seed_tracks": [problem]})
        if not seeds and not any(f"target_{name}" in attrs for name in _KNOWN):
            problem = gettext("Give at least one seed, or a target such as target_valence.")
            raise serializers.ValidationError({"seed_tracks": [problem]})
        for axis in ("min", "max", "target"):
            attrs.setdefault(f"{axis}_energy", attrs.pop(f"{axis}_arousal", None))
        return attrs


class SeedOutput(serializers.Serializer[Any]):
    id = serializers.CharField()
    type = serializers.ChoiceField(choices=["TRACK", "ARTIST", "GENRE"])
    href = serializers.CharField(allow_null=True)
    initialPoolSize = serializers.IntegerField(help_text="Songs here; 0 if the seed is unknown.")  # noqa: N815
    afterFilteringSize = serializers.IntegerField(help_text="Songs in the answer.")  # noqa: N815
    afterRelinkingSize = serializers.IntegerField(help_text="The same.")  # noqa: N815


class ArtistLinkOutput(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    type = serializers.CharField()
    uri = serializers.CharField()
    href = serializers.CharField(allow_null=True)
    external_urls = serializers.DictField(child=serializers.CharField())


class ImageOutput(serializers.Serializer[Any]):
    url = serializers.CharField()
    height = serializers.IntegerField(allow_null=True)
    width = serializers.IntegerField(allow_null=True)


class AlbumLinkOutput(serializers.Serializer[Any]):
    id = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    type = serializers.CharField()
    album_type = serializers.CharField()
    uri = serializers.CharField(allow_null=True)
    href = serializers.CharField(allow_null=True)
    release_date = serializers.CharField(allow_null=True)
    release_date_precision = serializers.CharField()
    images = ImageOutput(many=True)
    artists = ArtistLinkOutput(many=True)
    external_urls = serializers.DictField(child=serializers.CharField())


class TrackOutput(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    type = serializers.CharField()
    uri = serializers.CharField()
    href = serializers.CharField()
    artists = ArtistLinkOutput(many=True)
    album = AlbumLinkOutput()
    duration_ms = serializers.IntegerField(allow_null=True)
    explicit = serializers.BooleanField()
    is_local = serializers.BooleanField()
    is_playable = serializers.BooleanField()
    popularity = serializers.IntegerField(allow_null=True, help_text="Null: not known here.")
    preview_url = serializers.CharField(allow_null=True, help_text="The whole song.")
    track_number = serializers.IntegerField(allow_null=True)
    disc_number = serializers.IntegerField(allow_null=True)
    external_ids = serializers.DictField(child=serializers.CharField())
    external_urls = serializers.DictField(child=serializers.CharField())


class RecommendationsOutput(serializers.Serializer[Any]):
    seeds = SeedOutput(many=True)
    tracks = TrackOutput(many=True)
    ignored = serializers.ListField(
        child=serializers.CharField(), help_text="Parameters that are not computed here."
    )


class AudioFeaturesOutput(serializers.Serializer[Any]):
    """Null is what is not computed here; `energy` is our arousal."""

    id = serializers.CharField()
    type = serializers.CharField()
    uri = serializers.CharField()
    track_href = serializers.CharField()
    analysis_url = serializers.CharField()
    duration_ms = serializers.IntegerField(allow_null=True)
    valence = unit_field()
    energy = unit_field()
    tempo = serializers.FloatField(allow_null=True)
    key = serializers.IntegerField(help_text="0 is C, 11 is B; -1 if it is not sure.")
    mode = serializers.IntegerField(allow_null=True, help_text="1 is major.")
    acousticness = serializers.FloatField(allow_null=True)
    danceability = serializers.FloatField(allow_null=True)
    instrumentalness = serializers.FloatField(allow_null=True)
    liveness = serializers.FloatField(allow_null=True)
    loudness = serializers.FloatField(allow_null=True)
    speechiness = serializers.FloatField(allow_null=True)
    time_signature = serializers.IntegerField(allow_null=True)


class FeaturesField(serializers.ListField):
    """Features, with null for songs that have none."""

    child = AudioFeaturesOutput(allow_null=True)


class _FeaturesFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Says that items may be null, which the generator passes over in lists."""

    target_class = FeaturesField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        component = auto_schema.resolve_serializer(AudioFeaturesOutput, direction)
        items = append_meta(component.ref, {"nullable": True})
        schema: dict[str, Any] = build_array_type(items)
        return schema


class FeaturesListOutput(serializers.Serializer[Any]):
    audio_features = FeaturesField(
        help_text="In the order of the ids; null for songs that are unknown or not analysed."
    )


class FeaturesInput(serializers.Serializer[Any]):
    ids = _Ids(max_length=20 * MOST_FEATURES, help_text="At most 100 ids, with commas between.")

    def validate_ids(self, ids: list[int]) -> list[int]:
        """Refuse none, or too many."""
        if not 1 <= len(ids) <= MOST_FEATURES:
            raise serializers.ValidationError(
                gettext("Give 1 to %(most)s ids.") % {"most": MOST_FEATURES}
            )
        return ids


class _SpotifyView(StrictQuery, APIView):
    is_public = True
    takes_bearer = True
    scope = Scope.READ

    def handle_exception(self, exc: Exception) -> Response:
        """Add to our shape of an error the field that programs for Spotify read."""
        answer = super().handle_exception(exc)
        body = json.loads(answer.content)
        told = {"status": answer.status_code, "message": body["message"]}
        answer.content = JsonResponse(body | {"error": told}).content
        return answer


class RecommendationsView(_SpotifyView):
    permission_classes = LISTENERS
    action = "read"
    query_inputs = {"read": RecommendationsInput}

    @extend_schema(
        summary="Songs by seeds and targets, in Spotify's shape",
        description="`min_` and `max_` leave songs out; `target_` prefers the nearest. Without a "
        "song that fits, `tracks` is empty. The address without the slash at its end works, too.",
        parameters=[RecommendationsInput],
        responses={
            200: RecommendationsOutput,
            404: OpenApiResponse(description="A seed is not there."),
            409: OpenApiResponse(description="No song can be recommended."),
        },
    )
    def get(self, request: Request) -> Response:
        given = valid_data(RecommendationsInput(data=request.query_params.dict()))
        wish = Wish(
            limit=given["limit"],
            song_ids=tuple(given.get("seed_tracks", ())),
            artist_ids=tuple(given.get("seed_artists", ())),
            genres=tuple(given.get("seed_genres", ())),
            bounds={name: (given.get(f"min_{name}"), given.get(f"max_{name}")) for name in _KNOWN},
            targets={name: given.get(f"target_{name}") for name in _KNOWN},
        )
        for _ in range(lists_of(wish) - 1):  # this request counts as the first of them
            request_limit(request, request.user)
        found = recommendations(wish=wish, user=request.user)
        songs = selectors.songs_credited(found.song_ids)
        answer = {
            "seeds": [
                {
                    "id": seed.id,
                    "type": seed.kind,
                    "href": _href(request, seed.id) if seed.kind == "TRACK" else None,
                    "initialPoolSize": seed.songs,
                    "afterFilteringSize": len(songs),
                    "afterRelinkingSize": len(songs),
                }
                for seed in found.seeds
            ],
            "tracks": [_track(request, songs[pk]) for pk in found.song_ids if pk in songs],
            "ignored": [
                name for name in request.query_params if name.partition("_")[2] in _UNKNOWN
            ],
        }
        return Response(RecommendationsOutput(answer).data)


class AudioFeaturesListView(_SpotifyView):
    permission_classes = LISTENERS
    action = "read"
    query_inputs = {"read": FeaturesInput}

    @extend_schema(
        summary="Audio features of several songs, in Spotify's shape",
        description="The address without the slash at its end works, too.",
        parameters=[FeaturesInput],
        responses=FeaturesListOutput,
        operation_id="audio_features_list",
    )
    def get(self, request: Request) -> Response:
        ids = valid_data(FeaturesInput(data=request.query_params.dict()))["ids"]
        songs = selectors.songs_by_id(ids)
        answer = [_features(request, songs[pk]) if pk in songs else None for pk in ids]
        return Response({"audio_features": answer})


class AudioFeaturesView(_SpotifyView):
    permission_classes = LISTENERS

    @extend_schema(
        summary="Audio features of a song, in Spotify's shape",
        description="The address without the slash at its end works, too.",
        responses={
            200: AudioFeaturesOutput,
            409: OpenApiResponse(description="The song is not analysed."),
        },
    )
    def get(self, request: Request, pk: int) -> Response:
        song = selectors.songs_by_id([pk]).get(pk) if pk < 2**63 else None
        features = song and _features(request, song)
        if features is None:
            raise song_unusable_error([pk])
        return Response(features)


def _href(request: Request, pk: object) -> str:
    return reverse("api:song-detail", args=[pk], request=request)


def _features(request: Request, song: Song) -> dict[str, Any] | None:
    """Return the features of a song; None if it is not analysed."""
    emotion = selectors.current_emotion(song)
    if emotion is None:
        return None
    nothing = {name: None for name in _UNKNOWN if name != "popularity"}
    return {
        "id": str(song.pk),
        "type": "audio_features",
        "uri": f"spotify:track:{song.pk}",
        "track_href": _href(request, song.pk),
        "analysis_url": reverse("api:song-timeline", args=[song.pk], request=request),
        "duration_ms": _milliseconds(song),
        "valence": emotion.valence,
        "energy": emotion.arousal,
        "tempo": song.tempo_bpm,
        "key": _TONICS.index(song.key) if song.key else -1,
        "mode": int(song.mode == MODES[0]) if song.mode else None,
        **nothing,
    }


def _milliseconds(song: Song) -> int | None:
    return None if song.duration_seconds is None else round(1000 * song.duration_seconds)


def _artist(pk: object, name: str) -> dict[str, Any]:
    uri = f"spotify:artist:{pk}"
    return {
        "id": str(pk), "name": name, "type": "artist", "uri": uri, "href": None,
        "external_urls": {},
    }  # fmt: skip


def _track(request: Request, song: Song) -> dict[str, Any]:
    page = reverse("song", args=[song.pk], request=request)
    cover = reverse("song-cover", args=[song.pk], request=request)
    artists = [_artist(one.artist_id, one.name) for one in song.credits.all()]
    album = song.album_entry_id
    return {
        "id": str(song.pk),
        "name": song.shown_title,
        "type": "track",
        "uri": f"spotify:track:{song.pk}",
        "href": _href(request, song.pk),
        "artists": artists,
        "album": {
            "id": None if album is None else str(album),
            "name": song.album,
            "type": "album",
            "album_type": "album",
            "uri": None if album is None else f"spotify:album:{album}",
            "href": None,
            "release_date": str(song.year) if song.year else None,
            "release_date_precision": "year",
            "images": [{"url": cover, "height": None, "width": None}],
            "artists": artists[:1],
            "external_urls": {},
        },
        "duration_ms": _milliseconds(song),
        "explicit": bool(song.is_explicit),
        "is_local": False,
        "is_playable": True,
        "popularity": None,
        "preview_url": reverse("song-audio", args=[song.pk], request=request),
        "track_number": song.track_number,
        "disc_number": song.disc_number,
        "external_ids": (
            {"musicbrainz": song.musicbrainz_recording_id} if song.musicbrainz_recording_id else {}
        ),
        "external_urls": {"affetti": page},
    }


_VIEWS: Final = (
    ("recommendations", RecommendationsView, "recommendations"),
    ("audio-features", AudioFeaturesListView, "audio-features"),
    ("audio-features/<int:pk>", AudioFeaturesView, "song-audio-features"),
)
urlpatterns = [
    *(path(f"{route}/", view.as_view(), name=name) for route, view, name in _VIEWS),
    # As Spotify's own addresses are; the schema has each once.
    *(
        path(route, view.as_view(schema=None), name=f"{name}-without-slash")
        for route, view, name in _VIEWS
    ),
]
