from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from catalog.models import BackgroundJob, IngestFailure, Song, SongEmotion
from tests.catalog.conftest import write_tone
from tests.factories import LibraryFactory, SongEmotionFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows() -> dict[str, object]:
    emotion = SongEmotionFactory()
    failure = IngestFailure.objects.create(
        library=LibraryFactory(),
        relative_path="x.mp3",
        file_size_bytes=1,
        file_mtime_ns=1,
        code="AUDIO_CORRUPT",
        message="no audio",
    )
    job = BackgroundJob.objects.create(kind=BackgroundJob.Kind.INGEST)
    return {
        "library": emotion.song.library,
        "song": emotion.song,
        "songemotion": emotion,
        "ingestfailure": failure,
        "backgroundjob": job,
    }


@pytest.mark.parametrize(
    "name", ["library", "song", "songemotion", "ingestfailure", "backgroundjob"]
)
def test_lists_searches_and_pages_open(
    admin_client: Client, rows: dict[str, object], name: str
) -> None:
    listing = reverse(f"admin:catalog_{name}_changelist")
    change = reverse(f"admin:catalog_{name}_change", args=[getattr(rows[name], "pk")])  # noqa: B009

    assert admin_client.get(listing).status_code == 200
    assert admin_client.get(listing, {"q": "a"}).status_code == 200
    assert admin_client.get(change).status_code == 200
    adding = admin_client.get(reverse(f"admin:catalog_{name}_add"))
    assert adding.status_code == 403


def test_songs_can_be_asked_to_be_analysed_again(
    admin_client: Client, rows: dict[str, object]
) -> None:
    song = Song.objects.get()
    data = {"action": "analyse_again", "_selected_action": [song.pk]}

    admin_client.post(reverse("admin:catalog_song_changelist"), data)

    song.refresh_from_db()
    assert song.status == Song.Status.PENDING
    assert SongEmotion.objects.get().input_sha256 == ""


def test_a_corrected_song_is_analysed_again_and_keeps_its_words(
    admin_client: Client, music_dir: Path, ingest: Callable[..., BackgroundJob]
) -> None:
    write_tone(music_dir / "a.wav")
    (music_dir / "a.txt").write_text("the words of the file")
    ingest()
    song = Song.objects.get()
    Song.objects.update(status=Song.Status.ANALYSED)
    SongEmotionFactory(song=song, lyric_lines=[{"line": 0, "text": "the words of the file"}])
    words = {"title": "T", "artist": "A", "album": "", "genre": "", "year": "", "lyrics": "better"}
    inlines = ("emotions", "credits", "corrections")
    inline = {f"{n}-{k}_FORMS": 0 for n in inlines for k in ("TOTAL", "INITIAL")}

    change = reverse("admin:catalog_song_change", args=[song.pk])
    assert admin_client.post(change, {**words, **inline}).status_code == 302
    ingest()

    song.refresh_from_db()
    assert (song.title, song.lyrics, song.lyrics_source) == ("T", "better", "admin")
    assert song.emotions.get().lyric_lines == []
    assert song.status == Song.Status.PENDING


def test_staff_join_split_and_release_recordings(admin_client: Client) -> None:
    first, second = (SongEmotionFactory().song.pk for _ in range(2))
    listing = reverse("admin:catalog_song_changelist")

    def act(action: str) -> set[int | None]:
        admin_client.post(listing, {"action": action, "_selected_action": [first, second]})
        return set(Song.objects.values_list("recording", flat=True))

    assert None not in act("recording_join")
    assert Song.objects.filter(is_recording_manual=True).count() == 2
    assert act("recording_split") == {None}
    assert Song.objects.filter(is_recording_manual=True).count() == 2
    act("recording_release")
    assert not Song.objects.filter(is_recording_manual=True).exists()
    assert not Song.objects.filter(is_recording_checked=True).exists()


def test_search_ignores_case_and_accents(admin_client: Client) -> None:
    SongEmotionFactory(song__title="Искала", song__artist="Земфира")
    page = admin_client.get(reverse("admin:catalog_song_changelist"), {"q": "ЗЕМФИРА"})
    assert "Искала" in page.content.decode()


def test_the_admin_wears_the_colours_of_the_site(admin_client: Client) -> None:
    page = admin_client.get("/admin/").content.decode()
    assert "recommender/tokens" in page
    assert "recommender/admin" in page
    assert 'href="/manage"' in page
