"""Tags of every kind: formats, several artists, dates, numbers, ids, code pages, names of files."""

from __future__ import annotations

from pathlib import Path

import av
import mutagen
import numpy as np
import pytest
from mutagen.aiff import AIFF
from mutagen.asf import ASF
from mutagen.id3 import ID3, TCON, TDOR, TDRC, TIT2, TLAN, TMOO, TPE1, TPE2, TPOS, TRCK, TXXX, USLT
from mutagen.mp4 import MP4, MP4FreeForm

from catalog.files.tags import read_fields, read_tags
from mer.lyrics import language_code
from tests.catalog.conftest import write_tone
from tests.catalog.files.test_tags import write_m4a
from tests.made_tags import (
    tone_in_code_page,
    tone_with_ape,
    tone_with_id3,
    tone_with_id3v1,
    wav_with_info,
)
from tests.places import ROOT

UUIDS = ("11111111-2222-3333-4444-555555555555", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
FAULTS = ROOT.parent / "shared" / "faults" / "files"


def id3(**texts: str | list[str]) -> list[object]:
    return [TXXX(encoding=3, desc=name, text=text) for name, text in texts.items()]


def test_id3v1_alone(tmp_path: Path) -> None:
    made = tone_with_id3v1(tmp_path / "x.mp3", title=b"Blue", artist=b"Ada", year=b"1988", genre=17)
    tags = read_tags(made)
    assert (tags.title, tags.artist, tags.year, tags.genre) == ("Blue", "Ada", 1988, "Rock")


def test_ape_on_mp3_beats_id3v1(tmp_path: Path) -> None:
    path = tone_with_ape(
        tmp_path / "x.mp3",
        {"Title": "A long title that ID3v1 cannot hold", "Artist": ["One", "Two"], "Year": "2003"},
    )
    block = b"TAG" + b"A long title that ID3v1 cannot".ljust(124, b"\x00") + b"\xff"
    path.write_bytes(path.read_bytes() + block)
    tags = read_tags(path)
    assert tags.title == "A long title that ID3v1 cannot hold"
    assert (tags.artist_values, tags.year) == (("One", "Two"), 2003)


def test_wav_info(tmp_path: Path) -> None:
    values = {"INAM": b"WavInfo", "IART": "Земфира".encode("cp1251"), "ICRD": b"2001-02-03"}
    tags = read_tags(wav_with_info(tmp_path / "x.wav", {**values, "IPRD": b"Album"}))
    assert (tags.title, tags.artist, tags.album, tags.year) == ("WavInfo", "Земфира", "Album", 2001)


def write_wma(path: Path) -> Path:
    with av.open(str(path), "w", format="asf") as container:
        stream = container.add_stream("wmav2", rate=44100, layout="stereo")
        stream.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray(
            np.zeros((2, 2048), dtype=np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def test_asf_attributes(tmp_path: Path) -> None:
    path = write_wma(tmp_path / "x.wma")
    file = ASF(path)
    file["Title"], file["Author"], file["WM/AlbumArtist"] = "T", ["A", "B"], "A"
    file["WM/OriginalReleaseYear"], file["WM/Year"], file["WM/TrackNumber"] = "1970", "2001", "5"
    file["WM/IsCompilation"], file["WM/Lyrics"] = True, "words of ours"
    file["MusicBrainz/Artist Id"] = list(UUIDS)
    file.save()
    tags = read_tags(path)
    assert (tags.title, tags.artist_values, tags.album_artist) == ("T", ("A", "B"), "A")
    assert (tags.year, tags.track_number, tags.is_compilation) == (1970, 5, True)
    assert (tags.lyrics, tags.musicbrainz_artist_ids) == ("words of ours", UUIDS)


def test_aiff_with_id3_and_with_its_own_chunks(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "x.aiff")
    own = tmp_path / "y.aiff"
    text = b"AUTH" + (2).to_bytes(4, "big") + b"Me" + b"NAME" + (4).to_bytes(4, "big") + b"Mine"
    data = path.read_bytes() + text
    own.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "big") + data[8:])
    assert (read_tags(own).title, read_tags(own).artist) == ("Mine", "Me")
    file = AIFF(path)
    file.add_tags()
    file.tags.add(TIT2(encoding=3, text="Title"))
    file.save()
    assert read_tags(path).title == "Title"


def test_mp4_freeform_and_numbers(tmp_path: Path) -> None:
    path = write_m4a(tmp_path / "x.m4a")
    file = MP4(path)
    file["\xa9nam"], file["\xa9ART"], file["aART"] = "T", ["A", "B"], "Various Artists"
    file["trkn"], file["disk"], file["cpil"], file["tmpo"] = [(3, 12)], [(2, 2)], True, [128]
    file["rtng"] = [4]
    for name, value in (
        ("LYRICS", "the sun is high"),
        ("MusicBrainz Track Id", UUIDS[0]),
        ("replaygain_track_gain", "-7.5 dB"),
    ):
        file[f"----:com.apple.iTunes:{name}"] = MP4FreeForm(value.encode())
    file.save()
    tags = read_tags(path)
    assert tags.artist_values == ("A", "B")
    assert (tags.track_number, tags.disc_number, tags.bpm) == (3, 2, 128.0)
    assert tags.is_compilation
    assert tags.is_explicit
    assert (tags.lyrics, tags.replaygain_db) == ("the sun is high", -7.5)
    assert tags.musicbrainz_recording_id == UUIDS[0]


def test_everything_that_id3_says(tmp_path: Path) -> None:
    path = tone_with_id3(
        tmp_path / "x.mp3",
        TIT2(encoding=3, text="T"),
        TPE1(encoding=3, text="A & B"),
        TPE2(encoding=3, text="A"),
        TDRC(encoding=3, text="2015"),
        TDOR(encoding=3, text="1969"),
        TRCK(encoding=3, text="7/10"),
        TPOS(encoding=3, text="2/3"),
        TCON(encoding=3, text="(17)"),
        TMOO(encoding=3, text="Calm; Dark"),
        *id3(ARTISTS=["A", "B"], BPM="97.5", replaygain_track_gain="+1.25 dB"),
        TXXX(encoding=3, desc="MusicBrainz Artist Id", text=list(UUIDS)),
    )
    tags = read_tags(path)
    assert (tags.year, tags.track_number, tags.disc_number) == (1969, 7, 2)
    assert (tags.artists, tags.album_artist) == (("A", "B"), "A")
    assert (tags.genres, tags.moods, tags.bpm) == (("Rock",), ("Calm", "Dark"), 97.5)
    assert (tags.musicbrainz_artist_ids, tags.replaygain_db) == (UUIDS, 1.25)


@pytest.mark.parametrize(
    ("date", "year"),
    [("20030101", 2003), ("2003-01-01", 2003), ("200301", 2003), ("01.02.1999", 1999), ("0", None)],
)
def test_dates(tmp_path: Path, date: str, year: int | None) -> None:
    path = write_tone(tmp_path / "x.flac")
    file = mutagen.File(path)
    file["date"] = date
    file.save()
    assert read_tags(path).year == year


@pytest.mark.parametrize(
    ("genre", "names"),
    [
        ("17", ("Rock",)),
        ("(17)(18)", ("Rock", "Techno")),
        ("Rock; Indie", ("Rock", "Indie")),
        ("R&B", ("R&B",)),
        ("Hip-Hop/Rap", ("Hip-Hop/Rap",)),
        ("((Foo)", ("(Foo)",)),
        ("((Foo) Bar)", ("((Foo) Bar)",)),
    ],
)
def test_genres(tmp_path: Path, genre: str, names: tuple[str, ...]) -> None:
    path = write_tone(tmp_path / "x.flac")
    file = mutagen.File(path)
    file["genre"] = genre
    file.save()
    assert read_tags(path).genres == names


@pytest.mark.parametrize(
    ("genre", "names"),
    [("((Foo)", ("(Foo)",)), ("(17)((Foo)", ("Rock", "(Foo)")), ("(9)", ("Metal",))],
)
def test_genres_of_id3(tmp_path: Path, genre: str, names: tuple[str, ...]) -> None:
    path = write_tone(tmp_path / "x.mp3")
    tags = ID3()
    tags.add(TCON(encoding=1, text=genre))
    tags.save(path, v2_version=3)
    assert read_tags(path).genres == names


@pytest.mark.parametrize(
    ("track", "disc", "numbers"),
    [
        ("A3", "", (3, 1)),
        ("b-01", "", (1, 2)),
        ("B1", "3", (1, 3)),
        ("3/12", "", (3, None)),
        ("XA3", "", (3, None)),
    ],
)
def test_the_side_of_a_record_is_a_disc(
    tmp_path: Path, track: str, disc: str, numbers: tuple[int, int | None]
) -> None:
    path = write_tone(tmp_path / "x.flac")
    file = mutagen.File(path)
    file["tracknumber"] = track
    if disc:
        file["discnumber"] = disc
    file.save()
    tags = read_tags(path)
    assert (tags.track_number, tags.disc_number) == numbers


@pytest.mark.parametrize(
    ("encoding", "title", "artist"),
    [
        ("cp1251", "Кукушка", "Виктор Цой"),
        ("koi8_r", "Группа крови", "Кино"),
        ("gbk", "月亮代表我的心", "邓丽君"),
        ("cp932", "さくらの歌", "少女時代"),
        ("cp949", "사랑했지만", "김광석"),
        ("big5", "月亮代表我的心", "鄧麗君"),
        ("mac_roman", "Café", "Motörhead"),
        ("utf-8", "Ágætis byrjun", "Sigur Rós"),
        ("utf-8", "Кукушка", "Кино"),
    ],
)
def test_a_wrong_code_page_is_mended_with_a_note(
    tmp_path: Path, encoding: str, title: str, artist: str
) -> None:
    path = tone_in_code_page(tmp_path / "x.mp3", encoding, title=title, artist=artist)
    tags = read_tags(path)
    assert (tags.title, tags.artist) == (title, artist)
    assert tags.note.startswith("letters mended: ")


def test_latin_1_in_an_mp4_title_is_read(tmp_path: Path) -> None:
    path = write_m4a(tmp_path / "x.m4a")
    file = MP4(path)
    file["\xa9nam"] = "Cafe"
    file.save()
    path.write_bytes(path.read_bytes().replace(b"Cafe", b"Caf\xe9"))
    assert read_tags(path).title == "Café"


def test_broken_utf8_in_a_vorbis_comment_is_read(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "x.flac")
    file = mutagen.File(path)
    file["title"] = "Cafe Azul"
    file.save()
    path.write_bytes(path.read_bytes().replace(b"Cafe Azul", b"Caf\xe9 Azul"))
    assert read_tags(path).title == "Café Azul"


@pytest.mark.parametrize("desc", ["LYRICS", "UNSYNCEDLYRICS", "SYNCEDLYRICS"])
def test_lyrics_in_txxx(tmp_path: Path, desc: str) -> None:
    path = tone_with_id3(tmp_path / "x.mp3", *id3(**{desc: "the sun is bright"}))
    assert read_tags(path).lyrics == "the sun is bright"


@pytest.mark.parametrize("name", ["lyrics", "unsyncedlyrics", "syncedlyrics"])
def test_lyrics_in_vorbis_comments(tmp_path: Path, name: str) -> None:
    path = write_tone(tmp_path / "x.flac")
    file = mutagen.File(path)
    file[name] = "[00:01.00]I am so sad"
    file.save()
    assert read_tags(path).lyrics == "[00:01.00]I am so sad"


def test_real_lyrics_come_before_a_placeholder(tmp_path: Path) -> None:
    path = tone_with_id3(
        tmp_path / "x.mp3",
        USLT(encoding=3, lang="eng", desc="", text="[Instrumental]"),
        *id3(SYNCEDLYRICS="[00:01.00]real words here"),
    )
    assert read_tags(path).lyrics == "[00:01.00]real words here"


@pytest.mark.parametrize(
    ("relative", "artist", "album", "title", "track"),
    [
        (
            "Some Artist/Some Album/Some Artist - Some Album - 02 - Second Song.mp3",
            *("Some Artist", "Some Album", "Second Song", 2),
        ),
        ("Some Artist/Some Album/03 Third.mp3", "Some Artist", "Some Album", "Third", 3),
        ("Ada/[1999] Blue (FLAC)/CD2/03 Third.mp3", "Ada", "Blue", "Third", 3),
        ("Ada - Blue (2001)/03 - Third.mp3", "Ada", "Blue", "Third", 3),
        ("Music/Downloads/03 Third.mp3", "", "", "Third", 3),
        ("Ada/Blue/Third.mp3", "", "", "Third", None),
        ("Artist \u2013 EnDash Title.mp3", "Artist", "", "EnDash Title", None),
        ("1-03 Disc Track.mp3", "", "", "Disc Track", 3),
        ("Great Song [dQw4w9WgXcQ].mp3", "", "", "Great Song", None),
        ("Song [Instrumental].mp3", "", "", "Song [Instrumental]", None),
        ("99 Red Balloons.mp3", "", "", "99 Red Balloons", None),
        ("7 Rings.mp3", "", "", "7 Rings", None),
        ("1979.mp3", "", "", "1979", None),
        ("50 Cent - In Da Club.mp3", "50 Cent", "", "In Da Club", None),
    ],
)
def test_names_of_files_and_folders(
    tmp_path: Path, relative: str, artist: str, album: str, title: str, track: int | None
) -> None:
    path = tmp_path / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = read_tags(write_tone(path), Path(relative))
    assert (tags.artist, tags.album, tags.title) == (artist, album, title)
    assert tags.track_number == track


def test_a_number_is_a_track_number_where_its_neighbours_are_numbered(tmp_path: Path) -> None:
    for name in ("8 Red.mp3", "9 Green.mp3", "10 Blue.mp3"):
        write_tone(tmp_path / name)
    tags = read_tags(tmp_path / "10 Blue.mp3")
    assert (tags.title, tags.track_number) == ("Blue", 10)


def test_hostile_tags_are_absent_never_an_error(tmp_path: Path) -> None:
    whole = tone_with_id3(tmp_path / "a.mp3", TIT2(encoding=3, text="T" * 500)).read_bytes()
    for step in range(0, 600, 7):
        path = tmp_path / f"x{step}.mp3"
        path.write_bytes(whole[:step] + bytes([step % 256]) + whole[step + 1 :])
        values, _ = read_fields(path)
        assert isinstance(values["title"], list)


@pytest.mark.data
@pytest.mark.skipif(not FAULTS.is_dir(), reason="no ../shared/faults/files")
@pytest.mark.parametrize(
    ("name", "title", "artist"),
    [
        ("cp1251_in_latin1.mp3", "Кукушка", "Виктор"),
        ("id3v1_cp1251.mp3", "Группа крови", "Кино"),
        ("wav_list_info.wav", "WavInfo", "Info Artist"),
        ("latin1-title.m4a", "é", "A"),
        ("syncedlyrics.flac", "Synced", "S"),
        ("txxx_lyrics.mp3", "TxxxLyrics", "X"),
    ],
)
def test_the_files_of_the_issue(name: str, title: str, artist: str) -> None:
    tags = read_tags(FAULTS / name)
    assert (tags.title, tags.artist) == (title, artist)
    with_lyrics = {"latin1-title.m4a", "syncedlyrics.flac", "txxx_lyrics.mp3"}
    assert bool(tags.lyrics) == (name in with_lyrics)


def test_the_number_of_genres_and_moods_is_bounded(tmp_path: Path) -> None:
    file = mutagen.File(write_tone(tmp_path / "song.flac"))
    file["genre"] = file["mood"] = [";".join(f"g{m}x{n}" for n in range(100)) for m in range(50)]
    file.save()
    tags = read_tags(tmp_path / "song.flac")
    assert (len(tags.genres), len(tags.moods)) == (50, 50)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(("fra", "fr"), ("fre", "fr"), ("FR", "fr"), ("French", "fr"), ("Français", "fr")),
        *(("en-GB", "en"), ("pt_BR", "pt"), ("engfra", "en"), ("yor", "yo"), ("haw", "haw")),
        *(("zxx", "zxx"), ("Instrumental", "zxx"), ("und", ""), ("XXX", ""), ("Klingon", "")),
        *(("", ""), ("12", ""), ("日本語", "ja")),
    ],
)
def test_languages(text: str, code: str) -> None:
    assert language_code(text) == code


@pytest.mark.parametrize(("advisory", "said"), [("1", True), ("2", False), ("0", None)])
def test_language_and_advisory_of_id3(tmp_path: Path, advisory: str, said: bool | None) -> None:
    frames = [TLAN(encoding=3, text="deu"), *id3(ITUNESADVISORY=advisory)]
    tags = read_tags(tone_with_id3(tmp_path / "x.mp3", *frames))
    assert (tags.language, tags.is_explicit) == ("de", said)
    none = read_tags(tone_with_id3(tmp_path / "y.mp3", TIT2(encoding=3, text="T")))
    assert (none.language, none.is_explicit) == ("", None)
