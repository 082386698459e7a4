"""The catalogue in Django's admin: view it, correct tags, analyse songs again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages

from catalog.ingest.songtags import song_texts_refresh
from catalog.models import (
    Album,
    Artist,
    BackgroundJob,
    EmotionCorrection,
    Genre,
    IngestFailure,
    Library,
    Song,
    SongCredit,
    SongEmotion,
)
from catalog.recordings import recordings_join, recordings_release, recordings_split
from catalog.texts import fold
from catalog.work.queue import songs_analyse_again

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.forms import ModelForm
    from django.http import HttpRequest


_EMOTION_FIELDS = (
    *("model_version", "valence", "valence_spread", "arousal", "arousal_spread"),
    *("quadrant", "confidence", "is_ambiguous", "updated_at"),
)
# Texts can be corrected. Facts of the file and the state of the work cannot.
_TEXTS = ("title", "artist", "album", "genre", "year", "lyrics")
_FACTS = (
    *("library", "relative_path", "duration_seconds", "lyrics_source", "lyrics_note"),
    *("album_artist", "album_entry", "track_number", "disc_number", "bpm", "replaygain_db"),
    *("estimated_bpm", "tempo_confidence", "estimated_key", "key_confidence"),
    *("language", "is_explicit"),
    *("mood_tags", "musicbrainz_recording_id", "tags_note", "is_available", "is_removed"),
    *("status", "failure_code", "failure_message", "deaths", "errors", "queued_at"),
    *("recording", "recording_rank", "is_recording_manual", "audio_sha256"),
    *("leased_by", "leased_at", "content_sha256", "created_at", "updated_at"),
)


# Django's own classes cannot be subscripted at run time, hence `type: ignore[type-arg]` below.
class _ReadOnly:
    """Rows that only services write."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Library)
class LibraryAdmin(_ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "root", "created_at"]
    search_fields = ["name", "root"]


class SongEmotionInline(_ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = SongEmotion
    fields = readonly_fields = _EMOTION_FIELDS
    extra = 0


class EmotionCorrectionInline(_ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """The record of corrections; staff correct on the page of a song."""

    model = EmotionCorrection
    fields = readonly_fields = (
        *("said_valence", "said_arousal", "valence", "arousal", "note"),
        *("corrected_by_name", "corrected_at", "ended_by_name", "ended_at"),
    )
    can_delete = False
    extra = 0


class SongCreditInline(_ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = SongCredit
    fields = readonly_fields = ("position", "artist", "role", "name")
    extra = 0


@admin.register(Artist)
class ArtistAdmin(_ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "sort_name", "musicbrainz_id"]
    search_fields = ["name", "key", "musicbrainz_id"]
    show_full_result_count = False


@admin.register(Album)
class AlbumAdmin(_ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["title", "artist", "year", "is_compilation", "musicbrainz_id"]
    list_filter = ["is_compilation"]
    search_fields = ["title", "key", "artist__name", "musicbrainz_id"]
    list_select_related = ["artist"]
    show_full_result_count = False


@admin.register(Genre)
class GenreAdmin(_ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name"]
    search_fields = ["name", "key"]


@admin.register(Song)
class SongAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["title", "artist", "album", "genre", "year", "status", "failure_code"]
    list_filter = [
        *("status", "is_available", "library", "failure_code", "lyrics_source"),
        "is_recording_manual",
    ]
    search_fields = ["search_text", "relative_path", "content_sha256"]
    list_select_related = ["library"]
    fields = (*_TEXTS, *_FACTS)
    readonly_fields = _FACTS
    inlines = [SongCreditInline, SongEmotionInline, EmotionCorrectionInline]
    actions = ["analyse_again", "recording_join", "recording_split", "recording_release"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Song], search_term: str
    ) -> tuple[QuerySet[Song], bool]:
        """Search without case and accents, as the pages do."""
        return super().get_search_results(request, queryset, fold(search_term))

    def save_model(
        self,
        request: HttpRequest,
        obj: Song,
        form: ModelForm,  # type: ignore[type-arg]
        change: bool,  # noqa: FBT001  # Django's signature
    ) -> None:
        """Save only the corrected fields, because a worker may be writing others."""
        changed = set(form.changed_data)
        if "lyrics" in changed:
            obj.lyrics_source = "admin"  # an ingest does not overwrite these
            changed.add("lyrics_source")
            obj.forget_lyrics()
        if "title" in changed:
            obj.is_title_from_name = False
            changed.add("is_title_from_name")
        obj.save(update_fields=[*changed, "updated_at"])
        song_texts_refresh(song=obj, changed=changed)
        if changed & {"title", "artist", "lyrics"}:
            songs_analyse_again(song_ids=[obj.pk])

    @admin.action(description="Analyse again")
    def analyse_again(self, request: HttpRequest, queryset: QuerySet[Song]) -> None:
        count = songs_analyse_again(song_ids=queryset.values_list("pk", flat=True))
        self.message_user(request, f"{count} songs queued for analysis.", messages.SUCCESS)

    @admin.action(description="Are one recording", permissions=["change"])
    def recording_join(self, request: HttpRequest, queryset: QuerySet[Song]) -> None:
        recordings_join(song_ids=queryset.values_list("pk", flat=True))
        self.message_user(request, "Lists show one of these songs.", messages.SUCCESS)

    @admin.action(description="Are recordings of their own", permissions=["change"])
    def recording_split(self, request: HttpRequest, queryset: QuerySet[Song]) -> None:
        recordings_split(song_ids=queryset.values_list("pk", flat=True))
        self.message_user(request, "Lists show each of these songs.", messages.SUCCESS)

    @admin.action(description="Compare recordings again", permissions=["change"])
    def recording_release(self, request: HttpRequest, queryset: QuerySet[Song]) -> None:
        recordings_release(song_ids=queryset.values_list("pk", flat=True))
        self.message_user(request, "These songs are compared again.", messages.SUCCESS)


@admin.register(SongEmotion)
class SongEmotionAdmin(_ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["song", *_EMOTION_FIELDS]
    list_filter = ["quadrant", "model_version"]
    search_fields = ["song__title", "song__artist"]
    list_select_related = ["song"]
    exclude = ["fused_embedding"]
    show_full_result_count = False


@admin.register(IngestFailure)
class IngestFailureAdmin(_ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["relative_path", "library", "code", "message", "updated_at"]
    list_filter = ["code", "library"]
    search_fields = ["relative_path", "message"]
    list_select_related = ["library"]


@admin.register(BackgroundJob)
class BackgroundJobAdmin(_ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["id", "kind", "status", "progress_done", "progress_total", "created_at"]
    list_filter = ["kind", "status", "error_code"]
    search_fields = ["id", "error_message"]
