"""Many songs at once, by what names them elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.urls import path
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender import selectors
from recommender.api.base import LISTENERS, StrictQuery, StrictSerializer, valid_data
from recommender.api.songs import SongOutput, song_context
from recommender.models import Scope

if TYPE_CHECKING:
    from rest_framework.request import Request

MOST_LOOKED_UP: Final = 500
MOST_OF_A_NAME: Final = 10
"""So many files of one recording are in an answer."""


def _names(child: serializers.Field[Any, Any, Any, Any], words: str) -> serializers.ListField:
    return serializers.ListField(
        child=child, max_length=MOST_LOOKED_UP, required=False, help_text=words
    )


def _word(pattern: str, length: int) -> serializers.RegexField:
    return serializers.RegexField(
        f"^{pattern}$", min_length=length, max_length=length, trim_whitespace=False
    )


class LookupInput(StrictSerializer):
    """At least one name, and at most 500 together."""

    ids = _names(serializers.IntegerField(min_value=1, max_value=2**63 - 1), "Of songs here.")
    musicbrainz_recording_ids = _names(
        _word("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", 36),
        "Several files may be of one recording.",
    )
    audio_sha256 = _names(
        _word("[0-9a-f]{64}", 64),
        "Fingerprints of the encoded audio without its tags; retagging keeps them.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a body that names nothing, or too much."""
        count = sum(map(len, attrs.values()))
        if not 1 <= count <= MOST_LOOKED_UP:
            problem = gettext("Name 1 to %(most)s songs in all.") % {"most": MOST_LOOKED_UP}
            raise serializers.ValidationError({next(iter(attrs), "ids"): [problem]})
        return attrs


class FoundOutput(serializers.Serializer[Any]):
    asked = serializers.CharField(help_text="What was sent, as text.")
    song_ids = serializers.ListField(
        child=serializers.IntegerField(), help_text="At most 10, the oldest files first."
    )


class LookupOutput(serializers.Serializer[Any]):
    songs = SongOutput(many=True, help_text="In the order asked for, each once.")
    found = FoundOutput(many=True, help_text="Every name in the order sent, with its songs.")
    unknown = serializers.ListField(
        child=serializers.CharField(), help_text="Names of songs that are not here."
    )


class LookupView(StrictQuery, APIView):
    permission_classes = LISTENERS
    is_public = True
    scope = Scope.READ
    takes_keys = False
    body_limit = 64 * 1024

    @extend_schema(
        summary="Many songs by their ids, MusicBrainz recordings or fingerprints",
        request=LookupInput,
        responses=LookupOutput,
    )
    def post(self, request: Request) -> Response:
        wanted = valid_data(LookupInput(data=request.data))
        found: list[dict[str, Any]] = []
        for field, names in wanted.items():
            songs = selectors.song_ids_by(_COLUMNS[field], [str(name).lower() for name in names])
            found += [
                {"asked": name, "song_ids": songs.get(name.lower(), [])[:MOST_OF_A_NAME]}
                for name in dict.fromkeys(map(str, names))
            ]
        ids = list(dict.fromkeys(pk for one in found for pk in one["song_ids"]))
        by_id = selectors.songs_by_id(ids)
        shown = [by_id[pk] for pk in ids if pk in by_id]
        answer = {
            "songs": shown,
            "found": found,
            "unknown": [one["asked"] for one in found if not one["song_ids"]],
        }
        context = song_context(request, shown)
        return Response(LookupOutput(answer, context=context).data)


_COLUMNS: Final = {
    "ids": "pk",
    "musicbrainz_recording_ids": "musicbrainz_recording_id",
    "audio_sha256": "audio_sha256",
}

urlpatterns = [path("songs/lookup/", LookupView.as_view(), name="song-lookup")]
