"""Every data set from a tiny made-up copy of its official layout, and three real rating tables."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from mer.affect import GEMS, Quadrant
from mer.errors import DatasetError
from mer.research.datasets import (
    deam,
    deezer_va,
    emomusic,
    emopia,
    emotify,
    gems_lyrics,
    merge,
    moodylyrics,
    msdd,
    mtg_jamendo,
    pmemo,
    poem_sentiment,
)
from mer.research.datasets.base import SPLITS, AffectLabels, AnnotationKind, Track
from mer.research.datasets.checksums import verify
from mer.research.datasets.layout import hash_split, name_key
from mer.research.datasets.overlaps import shared_songs
from mer.research.datasets.registry import dataset, datasets
from mer.research.datasets.spreadsheet import read_sheet
from tests.mer.research.layouts import LAYOUTS, Layout, moody_rows, workbook, write
from tests.places import DATA

CHECKED = [name for name, module in datasets().items() if hasattr(module, "CHECKSUMS")]
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the research data sets are not here")


def test_every_data_set_has_a_layout_here():
    assert set(LAYOUTS) == set(datasets())


@pytest.mark.parametrize("name", datasets())
def test_a_set_loads_from_its_official_layout(name, tmp_path):
    layout, module = write(tmp_path, name), dataset(name)
    tracks = module.load(tmp_path)
    assert len(tracks) == layout.tracks
    assert {track.dataset for track in tracks} == {name}
    assert len({track.track_id for track in tracks}) == len(tracks)
    assert {track.split for track in tracks} <= set(SPLITS)
    assert tracks == module.load(tmp_path)
    assert module.LICENCE
    assert module.CITATION
    assert module.SCALE.low < module.SCALE.high
    assert module.ANNOTATION_KIND in get_args(AnnotationKind)
    for track in tracks:
        labels = track.labels
        assert labels != type(labels)()
        assert track.audio_path is None or track.audio_path.is_file()
        for value in (labels.valence, labels.arousal, labels.valence_sd, labels.arousal_sd):
            assert value is None or 0 <= value <= 1
        for distribution in (labels.emotions, labels.gems):
            assert distribution is None or sum(distribution) == pytest.approx(1)


@pytest.mark.parametrize("name", datasets())
def test_a_missing_file_is_named_with_the_terms_of_the_set(name, tmp_path):
    layout = write(tmp_path, name)
    (tmp_path / layout.table).unlink()
    with pytest.raises(DatasetError) as caught:
        dataset(name).load(tmp_path)
    assert str(tmp_path / layout.table) in str(caught.value)
    assert dataset(name).LICENCE in str(caught.value)


def spoil(root: Path, layout: Layout, change: tuple[str, str]) -> None:
    path = root / layout.table
    text = path.read_text(encoding="utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change, 1), encoding="utf-8")


@pytest.mark.parametrize("name", datasets())
def test_a_missing_column_is_named(name, tmp_path):
    layout = write(tmp_path, name)
    if name == "moodylyrics":
        (tmp_path / layout.table).write_bytes(moody_rows(mood="Feeling"))
    else:
        spoil(tmp_path, layout, layout.drop)
    with pytest.raises(DatasetError) as caught:
        dataset(name).load(tmp_path)
    assert Path(layout.table).name in str(caught.value)
    assert layout.missing in str(caught.value)


@pytest.mark.parametrize("name", datasets())
def test_a_bad_value_is_named_with_its_place(name, tmp_path):
    layout = write(tmp_path, name)
    if name == "moodylyrics":
        (tmp_path / layout.table).write_bytes(moody_rows(last="Bored"))
    else:
        spoil(tmp_path, layout, layout.spoil)
    with pytest.raises(DatasetError) as caught:
        dataset(name).load(tmp_path)
    assert f"{layout.table}, {layout.place}" in str(caught.value)


def test_deam_is_read_as_released_or_with_the_disputed_songs_swapped(tmp_path):
    write(tmp_path, "deam")
    disputed, other, full = deam.load(tmp_path)
    assert (disputed.labels.valence, disputed.labels.arousal) == (0.25, 0.5)
    assert (disputed.labels.valence_sd, disputed.labels.arousal_sd) == pytest.approx((0.1, 0.2))
    assert (disputed.artist, disputed.title, disputed.artist_group) == ("The Ada", "One", "ada")
    assert (other.artist, other.title) == ("Bo", "Two")
    assert [track.labels.raters for track in (disputed, other, full)] == [10, 10, 5]
    assert (full.artist, full.title) == ("Cy", "Three")
    assert [track.audio_path is None for track in (disputed, other, full)] == [True, False, True]
    swapped, *rest = deam.load(tmp_path, swap_disputed=True)
    assert (swapped.labels.valence, swapped.labels.arousal) == (0.5, 0.25)
    assert (swapped.labels.valence_sd, swapped.labels.arousal_sd) == pytest.approx((0.2, 0.1))
    assert rest == [other, full]


def test_deam_metadata_without_ids_are_refused(tmp_path):
    write(tmp_path, "deam")
    (tmp_path / "deam/metadata/metadata_2015.csv").write_text("title\nThree\n")
    with pytest.raises(DatasetError, match=r"metadata_2015\.csv lacks a column song_id"):
        deam.load(tmp_path)


def test_merge_has_arousal_first_and_splits_by_clip_or_lyrics(tmp_path):
    write(tmp_path, "merge")
    first, second, third = merge.load(tmp_path)
    assert (first.labels.valence, first.labels.arousal) == (0.9, 0.75)
    assert (first.lyrics, first.artist_group, first.title) == ("A line", "ada", "One")
    assert first.audio_path is not None
    assert second.audio_path is None
    assert [track.split for track in (first, second, third)] == ["train", "val", "test"]
    assert [track.split for track in merge.load(tmp_path, shares="40_30_30")] == [
        "train", "val", "test",
    ]  # fmt: skip
    table = tmp_path / "merge/MERGE_Bimodal_Complete/merge_bimodal_complete_metadata.csv"
    table.write_text(table.read_text() + "A009,L009,Q1,,Di,Five,\n")
    with pytest.raises(DatasetError, match="line 5: A009 is in no part of the split 70_15_15"):
        merge.load(tmp_path)


def test_merge_shares_songs_with_panda4q(tmp_path):
    write(tmp_path, "merge")
    song = merge.load(tmp_path)[1]
    same = Track("panda4q", "MT0000004637", "train", AffectLabels(quadrant=Quadrant.Q3))
    other = Track("panda4q", "MT0000011357", "train", AffectLabels(quadrant=Quadrant.Q2))
    assert shared_songs([same, other], [song]) == [same]


def test_emomusic_has_arousal_first_and_mediaevals_test_songs(tmp_path):
    write(tmp_path, "emomusic")
    evaluation, development = emomusic.load(tmp_path)
    assert (evaluation.labels.valence, evaluation.labels.arousal) == (0.5, 0.25)
    assert (evaluation.split, evaluation.artist) == ("test", "Ada")
    assert evaluation.audio_path is not None
    assert development.split in {"train", "val"}
    assert (development.labels.valence, development.labels.arousal) == (0.0, 1.0)
    info = tmp_path / "emomusic/annotations/songs_info.csv"
    info.write_text(info.read_text().replace("evaluation", "final"))
    with pytest.raises(DatasetError, match="column Mediaeval 2013 set: 'final'"):
        emomusic.load(tmp_path)


def test_emomusic_development_songs_are_never_for_testing(tmp_path):
    write(tmp_path, "emomusic")
    folder = tmp_path / "emomusic/annotations"
    header, info = (
        (folder / name).read_text().splitlines()[0]
        for name in ("static_annotations.csv", "songs_info.csv")
    )
    numbers = range(100)
    (folder / "static_annotations.csv").write_text(
        "\n".join([header, *(f"{n},5,1,5,1" for n in numbers)])
    )
    (folder / "songs_info.csv").write_text(
        "\n".join([info, *(f"{n},x,Artist {n // 2},T,0,1,G,development" for n in numbers)])
    )
    tracks = emomusic.load(tmp_path)
    assert {track.split for track in tracks} == {"train", "val"}
    groups = {(track.artist_group, track.split) for track in tracks}
    assert len(groups) == len(numbers) / 2


def test_pmemo_has_arousal_first_and_lyrics_by_id(tmp_path):
    write(tmp_path, "pmemo")
    full, bare = pmemo.load(tmp_path)
    assert (full.labels.valence, full.labels.arousal) == (0.575, 0.4)
    assert (full.labels.valence_sd, full.labels.arousal_sd) == (0.16, 0.15)
    assert full.lyrics == "A line\nAnother"
    assert full.artist == "Ada, Bo"
    assert full.audio_path is not None
    assert (bare.lyrics, bare.artist, bare.audio_path) == (None, None, None)
    spread = tmp_path / "pmemo/annotations/static_annotations_std.csv"
    spread.write_text(spread.read_text().replace("\n4,", "\n5,"))
    with pytest.raises(DatasetError, match=r"static_annotations\.csv, line 3, column musicId: 4"):
        pmemo.load(tmp_path)


def test_emotify_counts_the_marks_of_the_players(tmp_path):
    write(tmp_path, "emotify")
    classical, electronic = emotify.load(tmp_path)  # the rock song has no mark
    felt = dict(zip(GEMS, classical.labels.gems, strict=True))
    assert (felt["calmness"], felt["solemnity"], felt["sadness"]) == (0.5, 0.25, 0.25)
    assert (classical.labels.raters, electronic.labels.raters) == (2, 1)
    share = dict(zip(GEMS, classical.labels.felt, strict=True))  # of the two players, not of marks
    assert (share["calmness"], share["solemnity"], share["tension"]) == (1.0, 0.5, 0.0)
    assert classical.audio_path is None
    assert electronic.audio_path == tmp_path / "emotify/emotifymusic/electronic/2.mp3"


def test_emotify_as_shares_has_its_own_split_and_clips(tmp_path):
    folder = tmp_path / "emotify"
    (folder / "audio").mkdir(parents=True)
    table = (
        "id,genre,raters,amazement,solemnity,tenderness,nostalgia,calmness,power,"
        "joyful_activation,tension,sadness,split\n"
        "7,rock,20,0,0.2,0,0,0.6,0,0,0,0,val\n"
    )
    (folder / "songs.csv").write_text(table)
    with pytest.raises(DatasetError, match=r"7\.opus is missing"):
        emotify.load(tmp_path)
    clip = folder / "audio/7.opus"
    clip.touch()
    (track,) = emotify.load(tmp_path)
    assert track.labels.felt == (0, 0.2, 0, 0, 0.6, 0, 0, 0, 0)
    assert track.labels.gems == pytest.approx((0, 0.25, 0, 0, 0.75, 0, 0, 0, 0))
    assert (track.split, track.labels.raters, track.audio_path) == ("val", 20, clip)
    (folder / "songs.csv").write_text(table.replace("0.6", "1.6"))
    with pytest.raises(DatasetError, match="line 2, column calmness"):
        emotify.load(tmp_path)


def test_emopia_as_renders_has_its_own_split_and_clips(tmp_path):
    folder = tmp_path / "emopia"
    (folder / "audio").mkdir(parents=True)
    table = "id,quadrant,song_group,soundfont,split\nQ3_a_l-c_1,Q3,a_l-c,general,val\n"
    (folder / "songs.csv").write_text(table)
    with pytest.raises(DatasetError, match=r"Q3_a_l-c_1\.opus is missing"):
        emopia.load(tmp_path)
    clip = folder / "audio/Q3_a_l-c_1.opus"
    clip.touch()
    (track,) = emopia.load(tmp_path)
    assert (track.labels.quadrant, track.split) == (Quadrant.Q3, "val")
    assert (track.artist_group, track.audio_path) == ("a_l-c", clip)
    (folder / "songs.csv").write_text(table.replace(",Q3,", ",Q4,"))
    with pytest.raises(DatasetError, match="'Q4' is not the quadrant of Q3_a_l-c_1"):
        emopia.load(tmp_path)


def test_gems_lyrics_come_in_the_order_of_gems(tmp_path):
    write(tmp_path, "gems_lyrics")
    (track,) = gems_lyrics.load(tmp_path)
    felt = dict(zip(GEMS, track.labels.gems, strict=True))
    assert (felt["amazement"], felt["joyful_activation"]) == (0.25, 0.75)
    assert track.lyrics == "A line\nAnother"


def test_jamendo_has_five_splits_and_tags_without_their_prefix(tmp_path):
    write(tmp_path, "mtg_jamendo")
    first, *_ = mtg_jamendo.load(tmp_path)
    assert first.labels.mood_words == ("background", "film")
    assert (first.split, first.artist_group) == ("train", "artist_000948")
    assert first.audio_path == tmp_path / "mtg_jamendo/audio/48/948.low.mp3"
    other = {t.track_id: t.split for t in mtg_jamendo.load(tmp_path, split_number=1)}
    assert other[first.track_id] == "test"
    with pytest.raises(DatasetError, match="splits 0 to 4, not 5"):
        mtg_jamendo.load(tmp_path, split_number=5)


def test_emopia_keeps_a_song_in_one_split(tmp_path):
    write(tmp_path, "emopia")
    listed, sibling, val, unlisted = emopia.load(tmp_path)
    assert (listed.split, sibling.split, val.split) == ("train", "train", "val")
    assert (
        hash_split(f"emopia {listed.artist_group}") == "test"
    )  # the list has precedence over the hash
    assert listed.artist_group == sibling.artist_group == "a_l-c"
    assert sibling.labels.quadrant is Quadrant.Q3
    assert unlisted.split == hash_split("emopia new")
    assert val.audio_path is not None
    (tmp_path / "emopia/split/val.csv").write_text("fname,label\nnoclip,Q2\n")
    with pytest.raises(DatasetError, match=r"val\.csv, line 2, column fname"):
        emopia.load(tmp_path)


def test_emopia_refuses_a_clip_in_two_quadrants(tmp_path):
    write(tmp_path, "emopia")
    path = tmp_path / "emopia/label.csv"
    path.write_text(path.read_text().replace("Q4_new_0,Q4", "Q4_new_0,Q3"))
    with pytest.raises(DatasetError, match="column 4Q: 'Q3' is not the quadrant of Q4_new_0"):
        emopia.load(tmp_path)


def test_moods_of_moodylyrics_are_quadrants(tmp_path):
    write(tmp_path, "moodylyrics")
    tracks = moodylyrics.load(tmp_path)
    assert [track.labels.quadrant for track in tracks] == list(Quadrant)
    assert [track.lyrics for track in tracks] == [None, "A line", None, None]
    assert tracks[0].audio_path == tmp_path / "moodylyrics/audio/ML1.flac"
    assert (tracks[0].track_id, tracks[0].artist) == ("ML1", "Ada & Co")
    assert tracks[1].split == tracks[2].split  # one artist


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no zip", "no readable"), (workbook([("Index", "Artist")]), "lacks the column 'Mood'")],
)
def test_a_bad_workbook_is_refused(tmp_path, content, message):
    path = tmp_path / "table.xlsx"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_sheet(path, ("Index", "Artist", "Mood"), licence="none")
    with pytest.raises(DatasetError, match=r"'Elsewhere'|no readable"):
        read_sheet(path, ("Elsewhere",), licence="none")


def test_msdd_is_deezers_set_with_your_own_recordings_and_lyrics(tmp_path):
    write(tmp_path, "msdd")
    folder = tmp_path / "deezer_mood_detection_dataset"
    (folder / "audio").mkdir()
    (folder / "audio/TR1.ogg").touch()
    (folder / "lyrics").mkdir()
    (folder / "lyrics/TR3.txt").write_text("A line")
    first, second, third = msdd.load(tmp_path)
    assert [track.split for track in (first, second, third)] == list(SPLITS)
    assert (first.labels.valence, second.labels.valence) == (0.25, 0.5)
    assert (first.audio_path, third.lyrics) == (folder / "audio/TR1.ogg", "A line")
    assert third.title == "Three, four"


def test_poems_have_a_polarity_and_mixed_ones_go(tmp_path):
    write(tmp_path, "poem_sentiment")
    tracks = poem_sentiment.load(tmp_path)
    assert [track.labels.polarity for track in tracks] == [-1, 0, 1]
    assert [track.split for track in tracks] == list(SPLITS)
    assert tracks[0].lyrics == 'a "verse,'


def test_a_hashed_split_has_its_shares_and_depends_on_the_seed():
    groups = [f"artist {number}" for number in range(4000)]
    shares = Counter(map(hash_split, groups))
    assert shares["train"] / 4000 == pytest.approx(0.70, abs=0.03)
    assert shares["val"] / 4000 == pytest.approx(0.15, abs=0.03)
    assert [hash_split(g, seed=1) for g in groups] != [hash_split(g) for g in groups]
    # Fixed values, so that a change of the rule fails.
    assert [hash_split(name) for name in ("ada", "cy", "gus")] == list(SPLITS)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("The Jam", "jam"),
        ("Jam, The", "jam"),
        ("Echo & the Bunnymen", "echoandbunnymen"),
        ("Fr\u00e9d\u00e9ric (feat. Nobody)", "frederic"),
        ("One ft. Two", "one"),
        ("What\u2019s Up", "whatsup"),
        ("The The", "thethe"),
        ("!!!", "!!!"),
    ],
)
def test_names_have_one_key_however_they_are_written(name, key):
    assert name_key(name) == key


def test_a_song_number_must_be_one(tmp_path):
    write(tmp_path, "emotify")
    path = tmp_path / "emotify/data.csv"
    text = path.read_text()
    for bad in ("one,classical", "1.5,classical"):
        path.write_text(text.replace("1,classical", bad, 1))
        with pytest.raises(DatasetError, match="line 2, column track id"):
            emotify.load(tmp_path)
    path.write_text(text.replace("1,classical", "1,polka", 1))
    with pytest.raises(DatasetError, match="line 2, column genre: 'polka'"):
        emotify.load(tmp_path)


def test_checksums_tell_the_known_copy_from_another(tmp_path, monkeypatch):
    (known,) = verify("gems_lyrics", tmp_path)
    assert (known.status, known.found) == ("absent", None)
    write(tmp_path, "gems_lyrics")
    (known,) = verify("gems_lyrics", tmp_path)
    assert known.status == "differs"
    assert known.found == hashlib.sha256(known.path.read_bytes()).hexdigest() != known.expected
    files = {"gems_lyrics/OriginalAnnotations.csv": known.found}
    monkeypatch.setattr(gems_lyrics, "CHECKSUMS", files)
    assert verify("gems_lyrics", tmp_path)[0].status == "matches"
    assert verify("emotify", tmp_path) == ()
    with pytest.raises(DatasetError, match="no data set 'gems'"):
        verify("gems", tmp_path)


@needs_data
@pytest.mark.data
@pytest.mark.parametrize("name", CHECKED)
def test_the_tables_at_hand_are_the_known_ones(name):
    assert {check.status for check in verify(name, DATA)} == {"matches"}


@needs_data
@pytest.mark.data
def test_real_rating_tables_load_without_audio():
    sizes = {
        name: len(dataset(name).load(DATA))
        for name in ("deam", "emomusic", "pmemo", "deezer_va", "gems_lyrics", "poem_sentiment")
    }
    assert sizes == {
        "deam": 1802,
        "emomusic": 744,
        "pmemo": 767,
        "deezer_va": 18611,
        "gems_lyrics": 1250,
        "poem_sentiment": 1052,
    }
    for module in (deam, emomusic, pmemo):
        tracks = module.load(DATA)
        assert all(track.audio_path is None for track in tracks)
        assert {track.split for track in tracks} == set(SPLITS)
    # The release's own split, in which a few artists are in two parts.
    splits = Counter(track.split for track in deezer_va.load(DATA))
    assert splits == {"train": 11247, "val": 3853, "test": 3511}
    groups = Counter({(t.artist_group, t.split) for t in gems_lyrics.load(DATA)})
    assert len({group for group, _ in groups}) == len(groups)


@needs_data
@pytest.mark.data
def test_deam_and_emomusic_disagree_on_what_is_valence():
    ours = {track.track_id: track.labels for track in deam.load(DATA)}
    swapped = {t.track_id: t.labels for t in deam.load(DATA, swap_disputed=True)}
    theirs = {track.track_id: track.labels for track in emomusic.load(DATA)}
    shared = sorted(set(ours) & set(theirs))
    assert len(shared) == len(theirs) == 744
    assert max(map(int, shared)) <= deam.DISPUTED_UP_TO

    def agreement(deam_labels, one, other):
        return np.corrcoef(
            [getattr(deam_labels[song], one) for song in shared],
            [getattr(theirs[song], other) for song in shared],
        )[0, 1]

    assert agreement(ours, "valence", "arousal") > 0.999
    assert agreement(ours, "arousal", "valence") > 0.999
    assert agreement(ours, "valence", "valence") == pytest.approx(0.60, abs=0.01)
    assert agreement(swapped, "valence", "valence") > 0.999
    assert agreement(swapped, "arousal", "arousal") > 0.999
    later = set(ours) - set(shared)
    assert all(swapped[song] == ours[song] for song in later)
