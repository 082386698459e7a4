"""Analyses carried to another database: the same rows come out, and nothing hostile goes in."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.bundles import entries as entries_module
from catalog.bundles import files as files_module
from catalog.bundles import run as run_module
from catalog.bundles.entries import EntryError, entry_of, entry_read
from catalog.bundles.run import bundle_export, bundle_import, bundle_open
from catalog.corrections import emotion_correct
from catalog.errors import BundleError
from catalog.files import fingerprint as fingerprint_module
from catalog.models import ModelVersion, Song, SongChange, SongEmotion
from mer.prediction import EMBEDDING_DIM
from tests.factories import MODEL_VERSION, SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_pipeline")]

COMPARED = [
    field.name
    for field in SongEmotion._meta.concrete_fields
    if field.name not in {"id", "song", "created_at", "updated_at"}
]
ESTIMATES = ("estimated_bpm", "tempo_confidence", "estimated_key", "key_confidence")


def sha(number: int) -> str:
    return f"{number:064x}"


@pytest.fixture
def emotions() -> list[SongEmotion]:
    """Return what was said of three songs, one with lyric lines."""
    made = []
    for n in range(3):
        song = SongFactory(
            audio_sha256=sha(n),
            estimated_bpm=100.0 + n,
            tempo_confidence=0.8,
            estimated_key=13 + n,
            key_confidence=0.7,
        )
        lines = [{"line": 0, "text": "words", "valence": 0.1, "arousal": 0.0, "shift": 0.1}]
        emotion = SongEmotionFactory(song=song, lyric_lines=lines if n == 0 else [])
        SongEmotion.objects.filter(pk=emotion.pk).update(input_sha256=song.input_sha256)
        made.append(SongEmotion.objects.get(pk=emotion.pk))
    return made


@pytest.fixture
def bundle(emotions: list[SongEmotion], tmp_path: Path) -> Path:
    path = tmp_path / "songs.affetti.gz"
    assert bundle_export(path=path) == 3
    return path


def wipe() -> None:
    """Leave the songs as a first scan leaves them."""
    SongEmotion.objects.all().delete()
    ModelVersion.objects.all().delete()
    Song.objects.update(status=Song.Status.PENDING, **dict.fromkeys(ESTIMATES))


def taken(path: Path, *, is_trusted: bool = False) -> Any:
    return bundle_import(bundle=bundle_open(path, is_trusted=is_trusted))


def test_a_wiped_database_gets_the_same_rows(emotions: list[SongEmotion], bundle: Path) -> None:
    songs = {song.pk: [getattr(song, name) for name in ESTIMATES] for song in Song.objects.all()}
    wipe()
    last = SongChange.objects.order_by("-pk").first()
    report = taken(bundle)
    assert (report.same_audio, report.same_sound, report.unmatched, report.damaged) == (3, 0, 0, 0)
    for before in emotions:
        after = SongEmotion.objects.get(song=before.song_id)
        for name in COMPARED:
            was, now = getattr(before, name), getattr(after, name)
            assert (bytes(now) if name == "fused_embedding" else now) == (
                bytes(was) if name == "fused_embedding" else was
            ), name
    for song in Song.objects.all():
        assert [getattr(song, name) for name in ESTIMATES] == songs[song.pk]
        assert (song.status, song.leased_by, song.deaths) == (Song.Status.ANALYSED, "", 0)
    assert ModelVersion.objects.get().name == MODEL_VERSION
    changed = SongChange.objects.filter(pk__gt=last.pk if last else 0, model_version=MODEL_VERSION)
    assert {change.song_id for change in changed} == set(songs)  # the index reads these


def test_again_nothing_happens(bundle: Path) -> None:
    report = taken(bundle)
    assert (report.same_audio, report.unmatched) == (0, 3)


def test_equal_catalogues_make_equal_files(bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.gz"
    bundle_export(path=again)
    assert again.read_bytes() == bundle.read_bytes()


def test_other_texts_keep_the_place_and_lose_the_lines(
    emotions: list[SongEmotion], tmp_path: Path
) -> None:
    SongEmotion.objects.update(lyrics_language="de", are_lyrics_withheld=True)
    bundle = tmp_path / "songs.affetti.gz"
    bundle_export(path=bundle)
    wipe()
    Song.objects.update(title="Another")
    taken(bundle)
    after = SongEmotion.objects.get(song=emotions[0].song_id)
    assert after.valence == emotions[0].valence
    assert (after.lyric_lines, after.lyrics_language, after.are_lyrics_withheld) == ([], "", False)
    assert after.input_sha256 == after.song.input_sha256


def test_the_same_sound_by_title_length_and_fingerprint(
    emotions: list[SongEmotion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint_module.shutil, "which", lambda _: "/usr/bin/fpcalc")
    rng = np.random.default_rng(0)
    prints = [rng.integers(0, 2**32, 200, dtype="<u4").tobytes() for _ in range(3)]
    for n, emotion in enumerate(emotions):
        Song.objects.filter(pk=emotion.song_id).update(fingerprint=prints[n])
    path = tmp_path / "b.gz"
    bundle_export(path=path)
    wipe()
    Song.objects.update(audio_sha256=sha(99))
    first, second, third = (emotion.song_id for emotion in emotions)
    Song.objects.filter(pk=second).update(duration_seconds=200.0)
    Song.objects.filter(pk=third).update(fingerprint=prints[0])
    report = taken(path)
    assert (report.same_audio, report.same_sound, report.unmatched) == (0, 1, 2)
    assert set(SongEmotion.objects.values_list("song", flat=True)) == {first}


def test_what_a_worker_analyses_is_left_to_it(emotions: list[SongEmotion], bundle: Path) -> None:
    from django.utils import timezone  # noqa: PLC0415

    wipe()
    held = emotions[0].song_id
    Song.objects.filter(pk=held).update(leased_by="worker", leased_at=timezone.now())
    assert taken(bundle).same_audio == 2
    assert not SongEmotion.objects.filter(song=held).exists()
    assert Song.objects.get(pk=held).leased_by == "worker"


def test_a_correction_stays_where_it_was_made(emotions: list[SongEmotion], tmp_path: Path) -> None:
    emotion_correct(song_id=emotions[0].song_id, valence=0.01, arousal=0.02, by=UserFactory())
    path = tmp_path / "b.gz"
    bundle_export(path=path)
    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert json.loads(lines[1])["emotion"]["valence"] == emotions[0].valence
    wipe()
    taken(path)  # the correction still stands here, and is applied to the new row
    after = SongEmotion.objects.get(song=emotions[0].song_id)
    assert (after.valence, after.arousal) == (0.01, 0.02)
    assert after.predicted["valence"] == emotions[0].valence


def refused(path: Path, *, is_trusted: bool = False) -> str:
    with pytest.raises(BundleError) as caught:
        bundle_open(path, is_trusted=is_trusted)
    assert " " in str(caught.value)
    return caught.value.code


def test_another_key_is_refused_unless_trusted(
    bundle: Path, settings: Any, emotions: list[SongEmotion]
) -> None:
    wipe()
    settings.AFFETTI_BUNDLE_KEY = "another"
    assert refused(bundle) == "BUNDLE_SIGNATURE"
    assert taken(bundle, is_trusted=True).same_audio == 3


def test_a_former_secret_key_is_good_while_it_is_kept(
    bundle: Path, settings: Any, emotions: list[SongEmotion]
) -> None:
    wipe()
    former, settings.SECRET_KEY = settings.SECRET_KEY, "a new secret"
    assert refused(bundle) == "BUNDLE_SIGNATURE"
    settings.SECRET_KEY_FALLBACKS = ["older", former]
    assert taken(bundle).same_audio == 3
    altered = gzip.decompress(bundle.read_bytes()).replace(b'"valence":0.', b'"valence":0.1', 1)
    bundle.write_bytes(gzip.compress(altered))
    with pytest.raises(BundleError, match="altered"):
        bundle_open(bundle)
    settings.AFFETTI_BUNDLE_KEY = "another"
    assert refused(bundle) == "BUNDLE_SIGNATURE"


def test_an_altered_bundle_is_refused(bundle: Path) -> None:
    lines = gzip.decompress(bundle.read_bytes()).splitlines(keepends=True)
    entry = json.loads(lines[1])
    entry["emotion"]["valence"] = 0.999
    lines[1] = json.dumps(entry).encode() + b"\n"
    bundle.write_bytes(gzip.compress(b"".join(lines)))
    with pytest.raises(BundleError, match="altered"):
        bundle_open(bundle)
    lines[1:2] = []
    bundle.write_bytes(gzip.compress(b"".join(lines)))
    assert refused(bundle) == "BUNDLE_SIGNATURE"


def test_another_model_or_format_is_refused(
    bundle: Path, fake_pipeline: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_pipeline.model_version = "affetti-11111111"
    assert refused(bundle, is_trusted=True) == "BUNDLE_MODEL"
    monkeypatch.setattr(files_module, "FORMAT_VERSION", 2)
    assert refused(bundle, is_trusted=True) == "BUNDLE_VERSION"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no gzip",
        gzip.compress(b""),
        gzip.compress(b"{}\n"),
        gzip.compress(b"[]\n[]\n"),
        gzip.compress(b"\xff\n" * 5),
        gzip.compress(b'{"format": "other"}\n{"signature": "x"}\n'),
        gzip.compress(b'{"format": "affetti-analysis", "version": 1}\n{"signature": 5}\n'),
        gzip.compress(b"[" * 100_000 + b"\n{}\n"),
    ],
    # Named, for a file of gzip holds the time.
    ids=["empty", "plain", "nothing", "one", "lists", "bytes", "format", "signature", "deep"],
)
def test_what_is_no_bundle(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.gz"
    path.write_bytes(data)
    assert refused(path, is_trusted=True) == "BUNDLE_UNREADABLE"


def test_a_cut_bundle_and_an_absent_one(bundle: Path, tmp_path: Path) -> None:
    bundle.write_bytes(bundle.read_bytes()[:-20])
    assert refused(bundle, is_trusted=True) == "BUNDLE_UNREADABLE"
    assert refused(tmp_path / "absent", is_trusted=True) == "BUNDLE_UNREADABLE"


@pytest.mark.parametrize("bomb", [b"0" * 60_000_000, b"0\n" * 30_000_000], ids=["line", "lines"])
def test_a_zip_bomb_is_refused_without_unpacking_it(bomb: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.gz"
    path.write_bytes(gzip.compress(bomb, 9))
    with pytest.raises(BundleError, match="unpacks to more"):
        bundle_open(path, is_trusted=True)


SPOILS: dict[str, Callable[[dict[str, Any]], object]] = {
    "not a share": lambda e: e["emotion"].update(valence=1.5),
    "nan": lambda e: e["emotion"].update(arousal=float("nan")),
    "infinite": lambda e: e["emotion"].update(arousal=float("inf")),
    "a truth": lambda e: e["emotion"].update(confidence=True),
    "quadrant": lambda e: e["emotion"].update(quadrant="Q9"),
    "missing emotion": lambda e: e["emotion"]["emotions"].popitem(),
    "extra column": lambda e: e["emotion"].update(song_id=1),
    "long timeline": lambda e: e["emotion"].update(timeline=e["emotion"]["timeline"] * 20_000),
    "timeline": lambda e: e["emotion"].update(timeline=[{"start_seconds": "0"}]),
    "embedding": lambda e: e["emotion"].update(fused_embedding="AAAA"),
    "zero embedding": lambda e: e["emotion"].update(
        fused_embedding=base64.b64encode(bytes(4 * EMBEDDING_DIM)).decode()
    ),
    "nul": lambda e: e["emotion"].update(lyrics_language="\0"),
    "surrogate": lambda e: e["emotion"].update(lyrics_language="\ud800"),
    "hash": lambda e: e.update(audio_sha256="../../etc"),
    "fingerprint": lambda e: e.update(fingerprint="!"),
    "key": lambda e: e["estimates"].update(estimated_key=99),
    "no emotion": lambda e: e.pop("emotion"),
    "huge": lambda e: e["emotion"].update(valence=10**400),
    "huge seconds": lambda e: e.update(duration_seconds=10**400),
    "no gates": lambda e: e["emotion"].update(gates={}),
    "a missing gate": lambda e: e["emotion"]["gates"].pop("audio"),
    "another gate": lambda e: e["emotion"]["gates"].update(smell=0.5),
    "seconds": lambda e: e.update(duration_seconds=-1),
}


@pytest.mark.parametrize("name", SPOILS)
def test_a_damaged_entry_is_left_out_and_the_others_are_taken(
    emotions: list[SongEmotion], tmp_path: Path, name: str
) -> None:
    path = tmp_path / "b.gz"
    made = [json.loads(json.dumps(entry_of(emotion))) for emotion in emotions]
    SPOILS[name](made[0])
    head = {"format": "affetti-analysis", "version": 1, "model_version": MODEL_VERSION}
    lines = [json.dumps(line) for line in (head, *made, {"signature": ""})]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    wipe()
    report = taken(path, is_trusted=True)
    assert (report.same_audio, report.damaged) == (2, 1)
    assert Song.objects.filter(status=Song.Status.PENDING).count() == 1
    assert not Song.objects.exclude(failure_code="").exists()


def signed(path: Path, *entries: dict[str, Any]) -> Path:
    with path.open("wb") as file:
        writer = files_module.BundleWriter(file, model_version=MODEL_VERSION)
        for entry in entries:
            writer.add(entry)
        writer.close()
    return path


@pytest.mark.parametrize("at_once", [1, 200])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_of_entries_with_one_audio_the_one_with_the_texts_is_taken(
    emotions: list[SongEmotion],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: int,
    at_once: int,
) -> None:
    monkeypatch.setattr(run_module, "_ENTRIES_AT_ONCE", at_once)
    right = entry_of(emotions[0])
    wrong = right | {"input_sha256": sha(77), "emotion": right["emotion"] | {"valence": 0.111}}
    entries = [wrong, wrong]
    entries.insert(place, right)
    path = signed(tmp_path / "b.gz", *entries)
    wipe()
    report = taken(path)
    after = SongEmotion.objects.get()
    assert (after.valence, after.lyric_lines) == (emotions[0].valence, emotions[0].lyric_lines)
    assert report.same_audio == 1
    wipe()
    Song.objects.update(title="Another")
    assert taken(path).same_audio == 1
    assert SongEmotion.objects.count() == 1


def test_what_was_checked_is_what_is_read(bundle: Path, emotions: list[SongEmotion]) -> None:
    opened = bundle_open(bundle)
    bundle.write_bytes(b"another")
    wipe()
    assert bundle_import(bundle=opened).same_audio == 3


def test_a_pipe_is_no_bundle(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert refused(path) == "BUNDLE_UNREADABLE"


def test_batches_are_bounded_by_number_and_by_bytes(bundle: Path) -> None:
    opened = bundle_open(bundle)
    assert [len(batch) for batch in opened.batches(2)] == [2, 1]
    assert [len(batch) for batch in opened.batches(200, 10)] == [1, 1, 1]
    assert [len(batch) for batch in opened.batches(200)] == [3]
    assert len(list(opened)) == 3


def test_half_surrogates_in_the_head_and_the_end(tmp_path: Path, settings: Any) -> None:
    path = tmp_path / "b.gz"
    head = {"format": "affetti-analysis", "version": 1, "model_version": "\ud800"}
    lines = [json.dumps(line) for line in (head, {"signature": "\ud800", "key": "\ud800"})]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(BundleError) as caught:
        bundle_open(path, is_trusted=True)
    assert str(caught.value).encode()
    assert caught.value.code == "BUNDLE_MODEL"


@pytest.mark.django_db(transaction=True)
def test_no_query_is_open_while_songs_are_exported(
    emotions: list[SongEmotion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_ENTRIES_AT_ONCE", 1)
    seen: list[int] = []

    def written() -> None:
        # As the fingerprints: of a song behind the one that is exported.
        seen.append(Song.objects.update(fingerprint=b"\0" * 4 * (len(seen) + 1)))

    with CaptureQueriesContext(connection) as queries:
        bundle_export(path=tmp_path / "b.gz", on_entry=written)
    pages = [query for query in queries if 'FROM "catalog_songemotion"' in query["sql"]]
    assert len(pages) == 4  # the last one is empty
    lines = gzip.decompress((tmp_path / "b.gz").read_bytes()).splitlines()[1:-1]
    prints = [len(base64.b64decode(json.loads(line)["fingerprint"])) for line in lines]
    assert prints == [0, 4, 8]


@given(
    data=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_in_any_field_is_refused_or_taken(emotions: list[SongEmotion], data: Any) -> None:
    for name in ("valence", "timeline", "emotions", "gates", "alone", "lyric_lines", "kinds"):
        entry = entry_of(emotions[0])
        entry["emotion"] = entry["emotion"] | {name: data}
        try:
            entry_read(entry)
        except EntryError:
            continue
        assert entries_module._CHECKS[name](data)


def test_commands(emotions: list[SongEmotion], tmp_path: Path, settings: Any) -> None:
    path, out = tmp_path / "b.gz", io.StringIO()
    call_command("export_analysis", str(path), stdout=out)
    assert "3 analyses written" in out.getvalue()
    wipe()
    settings.AFFETTI_BUNDLE_KEY = "another"
    with pytest.raises(CommandError, match="another key"):
        call_command("import_analysis", str(path))
    call_command("import_analysis", str(path), "--trust", stdout=out)
    assert "3 songs by the same audio" in out.getvalue()
    with pytest.raises(CommandError, match="No such file"):
        call_command("export_analysis", str(tmp_path / "absent" / "b.gz"))
