"""Every kind of file that is written: its sound stays, its other tags stay, and it comes back."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import zlib
from typing import TYPE_CHECKING, Any

import mutagen
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen.id3 import APIC, COMM, ID3, TIT2, TPE1, TXXX

from catalog.errors import FileUnusableError
from catalog.files.deltas import MOST_BACK_BYTES, delta_apply, deltas_between
from catalog.files.tags import read_fields, read_tags
from catalog.files.writing import tags_change
from tests import made_audio
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from pathlib import Path

WANTED = {"mood": ("calm", "tender"), "bpm": ("120",), "key": ("F#m",)}
WRITTEN = (
    *("aif", "aiff", "alac", "flac", "m4a", "m4b", "mp2", "mp3", "mp4", "ogg", "opus", "wav"),
    *("wma", "wv"),
)
NOT_WRITTEN = ("aac", "ac3", "au", "caf", "mka", "oga", "spx", "tta", "webm")
RAW = {
    "mp3": {"TMOO": ["calm", "tender"], "TBPM": ["120"], "TKEY": ["F#m"]},
    "flac": {"mood": ["calm", "tender"], "bpm": ["120"], "initialkey": ["F#m"]},
    "ogg": {"mood": ["calm", "tender"], "bpm": ["120"], "initialkey": ["F#m"]},
    "wv": {"MOOD": ["calm", "tender"], "BPM": ["120"], "INITIALKEY": ["F#m"]},
    "m4a": {
        "----:com.apple.iTunes:MOOD": [b"calm", b"tender"],
        "tmpo": [120],
        "----:com.apple.iTunes:initialkey": [b"F#m"],
    },
    "wma": {"WM/Mood": ["calm", "tender"], "WM/BeatsPerMinute": ["120"], "INITIALKEY": ["F#m"]},
}


def applied(path: Path, **options: Any) -> Path:
    """Write a copy of a file with the tags beside it; check the way back."""
    change = tags_change(path, {**WANTED, **options.pop("wanted", {})}, **options)
    old, made = path.read_bytes(), io.BytesIO()
    assert delta_apply(change.forward, io.BytesIO(old), made) == change.after_sha256
    back = io.BytesIO()
    delta_apply(change.back, io.BytesIO(made.getvalue()), back)
    assert back.getvalue() == old
    copy = path.with_name("written") / path.name
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(made.getvalue())
    return copy


def decoded(path: Path) -> bytes:
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", "0:a:0", "-f", "md5", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@made_audio.needs_ffmpeg
@pytest.mark.parametrize("suffix", WRITTEN)
def test_tags_are_there_and_the_sound_is_the_same(tmp_path: Path, suffix: str) -> None:
    options = made_audio.CODECS[suffix] + " -metadata title=Ünder -metadata artist=A&B"
    path = made_audio.write(tmp_path / f"a.{suffix}", made_audio.tones(3), options=options)
    written_is_good(path)


@made_audio.needs_mpcenc
@made_audio.needs_ffmpeg
def test_tags_of_musepack(tmp_path: Path) -> None:
    path = made_audio.musepack(tmp_path / "a.mpc", made_audio.tones(3))
    file: Any = mutagen.File(path)
    file["Title"], file["Artist"], file["Replaygain_Track_Gain"] = "Ünder", "A&B", "-3 dB"
    file.save()
    tags = mutagen.File(written_is_good(path)).tags
    assert str(tags["Replaygain_Track_Gain"]) == "-3 dB"
    assert tags["MOOD"].value == "calm\0tender"


def written_is_good(path: Path) -> Path:
    """Write a copy of a file; it has the tags, the other ones and the same sound."""
    suffix = path.suffix.removeprefix(".")
    copy = applied(path)
    assert decoded(copy) == decoded(path)
    texts, _ = read_fields(copy)
    assert {name: tuple(texts[name]) for name in WANTED} == WANTED
    before, after = read_tags(path), read_tags(copy)
    assert (after.title, after.artist) == (before.title, before.artist)
    assert (after.moods, after.bpm) == ((), None)  # no person said so
    assert tags_change(copy, WANTED).fields == {}
    if suffix in RAW:
        tags = mutagen.File(copy).tags
        for name, values in RAW[suffix].items():
            found = getattr(tags[name], "text", tags[name])
            assert [getattr(one, "value", one) for one in found] == values
    return copy


@made_audio.needs_ffmpeg
@pytest.mark.parametrize("suffix", NOT_WRITTEN)
def test_a_kind_of_file_that_is_not_written(tmp_path: Path, suffix: str) -> None:
    options = made_audio.CODECS[suffix]
    path = made_audio.write(tmp_path / f"a.{suffix}", made_audio.tones(3), options=options)
    with pytest.raises(FileUnusableError) as caught:
        tags_change(path, WANTED)
    assert caught.value.code == "TAGS_FORMAT"


def id3_file(path: Path, version: int) -> Path:
    write_tone(path)
    tags = ID3()
    for frame in (
        *(TIT2(encoding=3, text="AC/DC"), TPE1(encoding=3, text=["One", "Two"])),
        *(COMM(encoding=3, lang="eng", desc="", text="a / b"), TXXX(3, desc="Other", text="x")),
        APIC(encoding=3, mime="image/png", type=3, desc="", data=bytes(range(256)) * 40),
    ):
        tags.add(frame)
    if version == 3:
        tags.update_to_v23()
    tags.save(path, v2_version=version, v23_sep=None)
    return path


def test_moods_of_id3_2_3_have_a_field_of_their_own_and_the_version_stays(tmp_path: Path) -> None:
    copy = applied(id3_file(tmp_path / "a.mp3", 3))
    tags = ID3(copy, translate=False)
    assert tags.version == (2, 3, 0)
    assert tags["TXXX:Mood"].text == ["calm", "tender"]
    assert "TMOO" not in tags
    assert tags["TPE1"].text == ["One", "Two"]
    assert tags["TIT2"].text == ["AC/DC"]
    assert tags["APIC:"].data == bytes(range(256)) * 40


def test_id3v1_and_apev2_stay_as_they_are(tmp_path: Path) -> None:
    path = id3_file(tmp_path / "a.mp3", 4)
    last = b"TAG" + "Тест".encode("cp1251").ljust(125, b"\0")
    path.write_bytes(path.read_bytes() + last)
    assert applied(path).read_bytes().endswith(last)


def test_what_a_person_set_is_kept_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.flac")
    file: Any = mutagen.File(path)
    file["mood"] = ["Angry"]
    file.save()
    change = tags_change(path, WANTED)
    assert set(change.fields) == {"bpm", "key"}
    assert change.kept == {"mood": ("Angry",)}
    copy = applied(path)
    assert read_tags(copy).moods == ("Angry",)
    copy = applied(path, may_overwrite=True)
    assert read_fields(copy)[0]["mood"] == ["calm", "tender"]


def test_a_value_of_ours_follows_what_is_known_and_a_later_one_of_a_person_stays(
    tmp_path: Path,
) -> None:
    path = applied(write_tone(tmp_path / "a.flac"))
    change = tags_change(path, {"mood": ("sad",), "bpm": ()})
    assert change.fields["mood"].after == ("sad",)
    assert change.fields["bpm"].after == ()
    file: Any = mutagen.File(path)
    file["mood"] = ["Mine"]
    file.save()
    assert read_tags(path).moods == ("Mine",)
    change = tags_change(path, {"mood": ("sad",)})
    assert (change.fields, change.kept) == ({}, {"mood": ("Mine",)})


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "wav"])
@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "text"])
def test_damaged_files_give_a_sentence(tmp_path: Path, suffix: str, damage: str) -> None:
    path = write_tone(tmp_path / f"a.{suffix}")
    data = path.read_bytes()
    noise = bytes((n * 7919) % 251 for n in range(2000))
    path.write_bytes(
        {"cut": data[:50], "noise": noise, "empty": b"", "text": b"no music\n" * 50}[damage]
    )
    with pytest.raises(FileUnusableError) as caught:
        tags_change(path, WANTED)
    assert caught.value.code in {"TAGS_FORMAT", "TAGS_DAMAGED", "TAGS_NOT_TAKEN", "TAGS_OTHERS"}


@given(
    old=st.binary(max_size=600),
    new=st.binary(max_size=600),
    same=st.binary(max_size=300),
    times=st.integers(1, 40),
)
def test_deltas_lead_both_ways(old: bytes, new: bytes, same: bytes, times: int) -> None:
    one, two = old + same * times + new, new + same * times + old
    forward, back = deltas_between(one, two)
    for delta, source, wanted in ((forward, one, two), (back, two, one)):
        made = io.BytesIO()
        delta_apply(delta, io.BytesIO(source), made)
        assert made.getvalue() == wanted


def test_a_delta_holds_only_what_differs() -> None:
    audio = bytes((n * n * 31 + n // 7) % 256 for n in range(300_000))
    forward, back = deltas_between(b"head" * 20 + audio, b"other" * 400 + audio + b"tail")
    assert len(forward) < 200
    assert len(back) < 200


def ogg_pages(comment: bytes, *, first: int, pages: int) -> bytes:
    """Return bytes as of an Ogg file, in which each page has a number and a checksum of it."""
    noise = random.Random(0)
    parts = [b"OggS" + bytes(14) + noise.randbytes(40) + comment]
    for n in range(pages):
        number = struct.pack("<I", first + n)
        checksum = struct.pack("<I", zlib.crc32(number))
        parts.append(b"OggS" + bytes(14) + number + checksum + noise.randbytes(500))
    return b"".join(parts)


@pytest.mark.parametrize("same_length", [True, False])
def test_a_delta_of_renumbered_pages_holds_numbers_and_checksums(same_length: bool) -> None:
    old = ogg_pages(b"title" * 10, first=2, pages=5000)
    new = ogg_pages(b"moods" * (10 if same_length else 900), first=3, pages=5000)
    forward, back = deltas_between(old, new)
    assert len(back) < 20 * 5000
    made = io.BytesIO()
    delta_apply(back, io.BytesIO(new), made)
    assert made.getvalue() == old
    assert len(forward) < 20 * 5000


def test_a_delta_finds_parts_in_another_order() -> None:
    one, two, three = (random.Random(n).randbytes(50_000) for n in range(3))
    forward, back = deltas_between(one + b"a" + two + three, two + b"bc" + one + three)
    assert max(len(forward), len(back)) < 100


def test_versions_that_share_nothing_are_refused() -> None:
    old, new = (random.Random(n).randbytes(MOST_BACK_BYTES + 1000) for n in range(2))
    with pytest.raises(FileUnusableError) as caught:
        deltas_between(old, new)
    assert caught.value.code == "TAGS_TOO_DIFFERENT"


def id3_bytes(version: int, *frames: tuple[bytes, bytes]) -> bytes:
    """Return an ID3v2 tag of raw frames."""
    size = {2: lambda n: n.to_bytes(3, "big"), 3: lambda n: n.to_bytes(4, "big") + bytes(2)}
    body = b"".join(name + size[version](len(data)) + data for name, data in frames)
    length = bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, 0]) + length + body


KEPT_FRAMES = [
    (3, (b"TYER", b"\x002001"), (b"TDAT", b"\x000305")),
    (3, (b"EQUA", b"\x10" + bytes(4))),
    (3, (b"TCON", b"\x00(17)"), (b"XYZW", b"unknown")),
    (3, (b"TORY", b"\x001970"), (b"TYER", b"\x002001")),
    (2, (b"TYE", b"\x002001"), (b"TCO", b"\x00(17)"), (b"TT2", b"\x00Title")),
]
LOST_FRAMES = [
    (3, (b"RVAD", b"\x03\x10" + bytes(8))),
    (3, (b"TYER", b"\x002001"), (b"TDAT", b"\x000305"), (b"TIME", b"\x001200")),
    (3, (b"TSIZ", b"\x00123")),
    (3, (b"TRDA", b"\x00June")),
    (3, (b"TYER", b"\x00in 2001")),
    (3, (b"TDAT", b"\x000305")),
    (3, (b"TYER", b"\x002001"), (b"TIME", b"\x001200")),
    (2, (b"XYZ", b"unknown")),
    (2, (b"TDA", b"\x000305")),
    (2, (b"RVA", b"\x03\x10" + bytes(8))),
]


@pytest.mark.parametrize("frames", KEPT_FRAMES)
def test_frames_that_are_kept(tmp_path: Path, frames: Any) -> None:
    path = write_tone(tmp_path / "a.mp3")
    path.write_bytes(id3_bytes(*frames) + path.read_bytes())
    assert read_fields(applied(path))[0]["mood"] == ["calm", "tender"]


@pytest.mark.parametrize("frames", LOST_FRAMES)
def test_a_file_with_a_frame_that_would_be_dropped_is_refused(tmp_path: Path, frames: Any) -> None:
    path = write_tone(tmp_path / "a.mp3")
    path.write_bytes(id3_bytes(*frames) + path.read_bytes())
    with pytest.raises(FileUnusableError) as caught:
        tags_change(path, WANTED)
    assert caught.value.code == "TAGS_OTHERS"


def test_a_persons_mood_in_another_place_stays(tmp_path: Path) -> None:
    path = applied(id3_file(tmp_path / "a.mp3", 4))
    tags = ID3(path)
    assert tags["TMOO"].text == ["calm", "tender"]
    tags.add(TXXX(encoding=3, desc="Mood", text=["Mine"]))
    tags.save(path)
    change = tags_change(path, {"mood": ("sad",)})
    assert (change.fields, change.kept) == ({}, {"mood": ("Mine",)})
    copy = applied(path, wanted={"mood": ("sad",)}, may_overwrite=True)
    assert "TXXX:Mood" not in ID3(copy)
