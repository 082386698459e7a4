"""A saved list, made again by its request; some of its songs may stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView

from recommender import selectors
from recommender.api.base import StrictQuery, StrictSerializer, account, valid_data
from recommender.api.playlists import PlaylistOutput, generated_list, kept_response, own_list
from recommender.models import Playlist, Scope
from recommender.playlists import playlist_regenerate, request_again
from recommender.playlists.edits import MAX_ENTRIES
from recommender.playlists.request import MAX_SEED

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request
    from rest_framework.response import Response


class RegenerationInput(StrictSerializer):
    pinned_song_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        max_length=MAX_ENTRIES,
        required=False,
        help_text="Songs of the list that keep their places this time; others are ignored. The "
        "pinned ones if absent.",
    )
    seed = serializers.IntegerField(
        min_value=0, max_value=MAX_SEED, required=False, help_text="Random if absent."
    )


class RegenerationView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    scope = Scope.PLAYLISTS
    body_limit = 16 * 1024
    action = "regenerate"
    tag_readers = ("saved",)
    long_actions = ("regenerate",)

    def saved(self, request: Request, pk: UUID) -> Response:
        """Answer as the address of the list itself does."""
        return kept_response(
            request, get_object_or_404(selectors.playlist_list(request.user), pk=pk)
        )

    def tag_lock(self) -> None:
        own = Playlist.objects.select_for_update().filter(user=account(self.request))
        get_object_or_404(own, pk=self.kwargs["pk"])

    @extend_schema(
        summary="Make one of your playlists again",
        description="By its request, with another seed. The former list stays as a version. Lists "
        "that were made by hand have no request.",
        request=RegenerationInput,
        responses=PlaylistOutput,
        operation_id="playlists_regenerate_create",
    )
    def post(self, request: Request, pk: UUID) -> Response:
        lists = selectors.playlist_list(request.user)
        playlist = own_list(get_object_or_404(lists, pk=pk))
        data = valid_data(RegenerationInput(data=request.data))
        pinned = data.get("pinned_song_ids")
        wanted = request_again(playlist, pinned=pinned, seed=data.get("seed"))
        generated = generated_list(request, wanted)
        with transaction.atomic():
            self.precondition_check(request)  # again: it took a while
            playlist_regenerate(playlist=playlist, generated=generated, pinned=pinned)
        return self.saved(request, pk)


urlpatterns = [
    path("playlists/<uuid:pk>/regenerate/", RegenerationView.as_view(), name="playlist-regenerate"),
]
