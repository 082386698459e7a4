"""Playlists: make, keep, read, change, share, delete."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.utils.translation import gettext
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework import exceptions, mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.routers import SimpleRouter

from mer.prediction import MODALITIES
from recommender import selectors
from recommender.api.base import (
    LISTENERS,
    BytesParser,
    PlainOutput,
    StrictQuery,
    StrictSerializer,
    ToldField,
    account,
    unit_field,
    valid_data,
)
from recommender.api.fields import request_field, serializer_of
from recommender.api.songs import SongOutput, song_context
from recommender.models import Playlist, Scope
from recommender.paging import NEWEST
from recommender.playlists import (
    EDIT_KINDS,
    FIELDS,
    MAX_EDITS,
    Edit,
    PlaylistRequest,
    gone_notes,
    last_target,
    playlist_edit,
    playlist_generate,
    playlist_import,
    playlist_listed,
    playlist_name,
    playlist_rename,
    playlist_restore,
    playlist_save,
    playlist_share,
    playlist_unshare,
    worded,
)
from recommender.playlists.edits import MAX_ENTRIES
from recommender.playlists.kinds import Flag, Text
from recommender.playlists.reasons import reason_told
from recommender.terms import told
from recommender.throttles import words_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.serializers import BaseSerializer

    from recommender.playlists import GeneratedPlaylist


_RequestInput: Any = serializer_of(FIELDS)


class PlaylistInput(_RequestInput):  # type: ignore[misc]  # a class made of the fields
    """A request: at least one target (the first five fields, blended), choice and constraints.

    The listener is the user who is logged in.
    """

    name = request_field(
        Text(cast("int", Playlist._meta.get_field("name").max_length)),
        "A name is made up if absent",
    )
    save = request_field(Flag(), "Keep the list as yours; default: true with a login")


class ReasonOutput(PlainOutput):
    distance = serializers.FloatField(help_text="From the target on the plane.")
    valence = unit_field()
    arousal = unit_field()
    shared_emotions = serializers.ListField(child=serializers.CharField())
    modality = serializers.ChoiceField(choices=[(m, m) for m in MODALITIES])
    sentence = ToldField(told=reason_told, help_text="The same in plain words.")
    taste = serializers.FloatField(
        required=False,
        help_text="How much you like it by your feedback, -1 to 1; absent without feedback.",
    )
    sound_valence = unit_field(
        required=False, help_text="By the sound alone; only if the request has a contrast."
    )
    words_valence = unit_field(
        required=False, help_text="By the words alone; only if the request has a contrast."
    )
    progress = unit_field(
        required=False, help_text="How far along the journey; absent from other lists."
    )


class PartOutput(serializers.Serializer[Any]):
    """Some of the words of `text`, and what they were taken for."""

    text = serializers.CharField()
    weight = serializers.FloatField(help_text="Below 0: refused.")
    doubt = unit_field(help_text="0 surely meant, 1 a guess.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `as`, which is a word of Python."""
        meaning = serializers.CharField(help_text="A mood, a filter or a place of the plane.")
        return {"as": meaning, **super().get_fields()}


class EntryOutput(PlainOutput):
    position = serializers.IntegerField(help_text="Counted from 0.")
    score = unit_field(
        allow_null=True, help_text="How well it matches the target; null if you added it."
    )
    reason = ReasonOutput(allow_null=True, help_text="Null if you added it.")
    is_pinned = serializers.BooleanField(
        help_text="Whether it keeps its place when the list is made again."
    )
    song = SongOutput()


class PlaylistSummaryOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    entry_count = serializers.IntegerField(help_text="Songs whose files are there.")
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
    understood = PartOutput(many=True, help_text="What words were taken for, in their order.")
    not_understood = serializers.ListField(child=serializers.CharField())
    version = serializers.IntegerField(
        allow_null=True, help_text="Of those made by your changes; null if it is not kept."
    )
    share_url = serializers.URLField(
        allow_null=True, help_text="Where anyone may read it; null: nobody but you."
    )
    entries = EntryOutput(many=True)


class NameInput(StrictSerializer):
    name = serializers.CharField(max_length=200)


class EditInput(serializers.Serializer[Any]):
    """A song moves, goes or comes, or keeps its place when the list is made again, or not.

    A change of a song that is not there changes nothing.
    """

    kind = serializers.ChoiceField(choices=EDIT_KINDS)
    song_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    position = serializers.IntegerField(
        min_value=0,
        max_value=MAX_ENTRIES,
        required=False,
        allow_null=True,
        help_text="Where it comes to lie, counted from 0; the end if absent. Ignored for pins.",
    )


class EditsInput(serializers.Serializer[Any]):
    edits = serializers.ListField(child=EditInput(), min_length=1, max_length=MAX_EDITS)


class PlaylistVersionInput(serializers.Serializer[Any]):
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class PlaylistVersionOutput(serializers.Serializer[Any]):
    version = serializers.IntegerField(source="number")
    change = ToldField(help_text="What was changed, in words.")
    created_at = serializers.DateTimeField()
    is_current = serializers.BooleanField()


class ShareOutput(serializers.Serializer[Any]):
    share_url = serializers.URLField(help_text="Anyone who has it may read the list.")


class FiledInput(StrictSerializer):
    name = serializers.CharField(
        max_length=200, default="", allow_blank=True, help_text="If the file has none."
    )


class FiledOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="Songs of the file that are not here; at most 500."
    )


class JourneyFitOutput(serializers.Serializer[Any]):
    """How well the songs keep to the curve of a journey."""

    distance = serializers.FloatField(help_text="Mean distance of a song from its step.")
    forward = unit_field(help_text="Share of the steps that go forward.")


class TargetOutput(serializers.Serializer[Any]):
    """What the request came to."""

    valence = unit_field()
    arousal = unit_field()
    emotions = serializers.DictField(child=serializers.FloatField())


class GeneratedPlaylistOutput(PlaylistOutput):
    id = serializers.UUIDField(allow_null=True, help_text="Null if the list is not kept.")
    created_at = serializers.DateTimeField(allow_null=True)
    target = TargetOutput()
    relaxed = serializers.ListField(
        child=serializers.CharField(),
        help_text="Constraints that do not hold, because too few songs were left.",
    )
    fit = JourneyFitOutput(allow_null=True, help_text="Null if the list is no journey.")
    weaker_left_out = serializers.IntegerField(
        help_text="Songs left out because they match less than `min_match`; 0 asks for them."
    )


@extend_schema_view(
    list=extend_schema(summary="Your playlists", responses=PlaylistSummaryOutput(many=True)),
    retrieve=extend_schema(summary="One of your playlists", responses=PlaylistOutput),
    destroy=extend_schema(summary="Delete one of your playlists"),
)
class PlaylistViewSet(
    StrictQuery, mixins.ListModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[Playlist]
):
    permission_classes = [IsAuthenticated]
    # Ten thousand ids to leave out.
    body_limit = 256 * 1024
    scope = Scope.PLAYLISTS
    query_inputs: ClassVar = {"from_file": FiledInput}
    queryset = Playlist.objects.none()
    serializer_class = PlaylistSummaryOutput
    keysets = {"": NEWEST}

    def get_permissions(self) -> Sequence[Any]:
        if self.action == "create":
            return [permission() for permission in LISTENERS]
        return super().get_permissions()

    def get_queryset(self) -> QuerySet[Playlist]:
        if self.action == "list":
            return selectors.playlist_list(self.request.user).filter(station__isnull=True)
        return selectors.playlist_list(self.request.user)

    def retrieve(self, request: Request, pk: str) -> Response:
        return self._kept(self.get_object())

    @extend_schema(
        summary="Rename one of your playlists", request=NameInput, responses=PlaylistOutput
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        playlist = self.get_object()
        playlist_rename(playlist=playlist, **valid_data(NameInput(data=request.data)))
        return self._kept(playlist)

    @extend_schema(
        summary="Change one of your playlists",
        description="The former list stays as a version, so that a change can be taken back.",
        request=EditsInput,
        responses=PlaylistOutput,
    )
    @action(detail=True, methods=["post"])
    def edit(self, request: Request, pk: str) -> Response:
        playlist = self._own_list()
        given = valid_data(EditsInput(data=request.data))["edits"]
        edits = [Edit(one["kind"], one["song_id"], one.get("position")) for one in given]
        playlist_edit(playlist=playlist, edits=edits)
        return self._kept(self.get_object())

    @extend_schema(
        summary="The versions of one of your playlists",
        description="Empty before its first change.",
        responses=PlaylistVersionOutput(many=True),
    )
    @action(detail=True, pagination_class=None)
    def versions(self, request: Request, pk: str) -> Response:
        versions = selectors.playlist_versions(self.get_object())
        return Response(PlaylistVersionOutput(versions, many=True).data)

    @extend_schema(
        summary="Let a version of a playlist be the current one",
        request=PlaylistVersionInput,
        responses=PlaylistOutput,
    )
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        playlist = self._own_list()
        version = valid_data(PlaylistVersionInput(data=request.data))["version"]
        if not playlist_restore(playlist=playlist, version=version):
            raise exceptions.NotFound(gettext("The playlist has no such version."))
        return self._kept(self.get_object())

    @extend_schema(
        summary="Share one of your playlists",
        description="Anyone who has the address may read the names of its songs.",
        request=None,
        responses=ShareOutput,
    )
    @action(detail=True, methods=["put"])
    def share(self, request: Request, pk: str) -> Response:
        token = playlist_share(playlist=self.get_object())
        return Response({"share_url": _share_url(request, token)})

    @extend_schema(summary="Stop sharing one of your playlists", responses={204: None})
    @share.mapping.delete
    def unshare(self, request: Request, pk: str) -> Response:
        playlist_unshare(playlist=self.get_object())
        return Response(status=HTTPStatus.NO_CONTENT)

    @extend_schema(
        summary="Keep a playlist of a file",
        description="The body is an M3U, XSPF or JSPF file. Songs are found by our address, by the "
        "path of the file, by the MusicBrainz recording, then by artist and title.",
        request={"application/octet-stream": OpenApiTypes.BINARY},
        parameters=[FiledInput],
        responses={201: FiledOutput},
    )
    @action(detail=False, methods=["post"], url_path="import", parser_classes=[BytesParser])
    def from_file(self, request: Request) -> Response:
        name = valid_data(FiledInput(data=request.query_params.dict()))["name"]
        data = request.data if isinstance(request.data, bytes) else b""
        filed = playlist_import(user=account(request), data=data, name=name)
        answer = {"id": filed.playlist.pk, "name": filed.playlist.name, "missing": filed.missing}
        return Response(FiledOutput(answer).data, status=HTTPStatus.CREATED)

    @extend_schema(
        summary="Make a playlist",
        description="With a login the list is kept as yours, unless `save` is false.",
        request=PlaylistInput,
        responses={
            200: OpenApiResponse(GeneratedPlaylistOutput, "Made, not kept."),
            201: OpenApiResponse(GeneratedPlaylistOutput, "Made and kept."),
            404: OpenApiResponse(description="A song of the request is not there."),
        },
    )
    def create(self, request: Request) -> Response:
        data = valid_data(PlaylistInput(data=request.data))
        name = data.pop("name", None) or ""
        is_kept = data.pop("save", None)
        if is_kept is None:
            is_kept = request.user.is_authenticated
        if is_kept and not request.user.is_authenticated:
            raise exceptions.NotAuthenticated(
                gettext("Log in to keep a playlist, or leave `save` out.")
            )
        generated = generated_list(request, PlaylistRequest.from_json(data))
        kept = None
        if is_kept:
            kept = playlist_save(user=account(request), generated=generated, name=name)
        answer = _generated_answer(generated, kept, name)
        return Response(
            _output(request, GeneratedPlaylistOutput, answer),
            status=HTTPStatus.OK if kept is None else HTTPStatus.CREATED,
        )

    def _own_list(self) -> Playlist:
        """Return the list that is to be changed; a station makes its own versions by itself."""
        return own_list(self.get_object())

    def _kept(self, playlist: Playlist) -> Response:
        return kept_response(self.request, playlist)


def own_list(playlist: Playlist) -> Playlist:
    """Return a list that may be changed; ValidationError if a station makes its versions."""
    if playlist.station_id is not None:
        raise exceptions.ValidationError({"id": [gettext("This is a version of a station.")]})
    return playlist


def generated_list(request: Request, wanted: PlaylistRequest) -> GeneratedPlaylist:
    """Return the list of a request of somebody; words count against the rate of networks."""
    words = worded(wanted)
    if words.is_relative and wanted.last_target is None:
        wanted = wanted.replace(last_target=last_target(request.user))
        words = worded(wanted)
    if words.needs_network:
        words_limit(request)
    return playlist_generate(request=wanted, user=request.user, words=words)


def kept_response(request: Request, playlist: Playlist) -> Response:
    """Answer with a list of `selectors.playlist_list`."""
    answer = _kept_answer(playlist)
    answer["share_url"] = _share_url(request, playlist.share_token)
    return Response(_output(request, PlaylistOutput, answer))


def _output(request: Request, serializer: type[BaseSerializer[Any]], answer: dict[str, Any]) -> Any:
    songs = [entry.song for entry in answer["entries"]]
    return serializer(answer, context=song_context(request, songs)).data


def _share_url(request: Request, token: str | None) -> str | None:
    return reverse("shared-playlist", args=[token], request=request) if token else None


def _kept_answer(playlist: Playlist) -> dict[str, Any]:
    return {
        "id": playlist.pk,
        "name": playlist.name,
        "created_at": playlist.created_at,
        "request": playlist.request,
        "seed": playlist.seed,
        "model_version": playlist.model_version,
        "notes": [*map(told, playlist.notes), *gone_notes(playlist)],
        "understood": playlist.understood,
        "not_understood": playlist.not_understood,
        "version": playlist.version,
        "entries": playlist_listed(playlist),
    }


def _generated_answer(
    generated: GeneratedPlaylist, kept: Playlist | None, name: str
) -> dict[str, Any]:
    return {
        "id": kept and kept.pk,
        "name": kept.name if kept else name or playlist_name(generated.request),
        "created_at": kept and kept.created_at,
        "request": generated.request.to_json(),
        "seed": generated.seed,
        "model_version": generated.model_version,
        "target": generated,
        "notes": [told(note) for note in generated.notes],
        "understood": [part.to_json() for part in generated.understood],
        "not_understood": generated.not_understood,
        "version": kept and kept.version,
        "share_url": None,
        "weaker_left_out": generated.weaker_left_out,
        "relaxed": generated.relaxed,
        "fit": generated.fit,
        "entries": playlist_listed(generated),
    }


_router = SimpleRouter()
_router.register("playlists", PlaylistViewSet, basename="playlist")
urlpatterns = _router.urls
