"""Loaders over small made-up data sets, and over the real ones where they are at hand."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from mer.affect import EMOTIONS, Quadrant
from mer.errors import DatasetError
from mer.research.datasets import emobank, goemotions, mirex, panda4q, warriner
from mer.research.datasets.base import SPLITS, AffectLabels, Track, drop_overlaps
from mer.research.datasets.crosswalk import ANCHORS, GOEMOTIONS, Crosswalk
from mer.research.datasets.registry import dataset, datasets
from tests.places import DATA

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the research data sets are not here")
LABELS = sorted(GOEMOTIONS)
GRATITUDE, NEUTRAL, OPTIMISM = map(LABELS.index, ("gratitude", "neutral", "optimism"))


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    words = {
        "anger": (2, 7, 5),
        "joy": (8, 6, 7),
        "sadness": (2, 3, 3),
        "fear": (2, 7, 2),
        "calmness": (7, 2, 7),
        "excitement": (8, 7, 6),
        "disgust": (2, 5, 4),
    }
    ratings = {word: words[emotion] for emotion, group in ANCHORS.items() for word in group}
    ratings |= {"Bill": (1, 1, 1), "bill": (5, 5, 5), "Sunday": (6, 3, 5)}
    write_table(
        tmp_path / "text/warriner/Ratings_Warriner_et_al.csv",
        [
            {"Word": w, "V.Mean.Sum": str(v), "A.Mean.Sum": str(a), "D.Mean.Sum": str(d)}
            for w, (v, a, d) in ratings.items()
        ],
    )
    song = {"artist": "Nina, Ada", "title": "Tune", "split": "train", "artist_group": "adanina"}
    write_table(
        tmp_path / "panda4q/songs.csv",
        [
            {
                **song,
                "id": "MT1",
                "quadrant": "Q4",
                "moods": "Calm; Peaceful ;",
                "genres": "Jazz; Vocal",
            }
        ],
    )
    write_table(
        tmp_path / "mirex/songs.csv",
        [
            {**song, "id": "001", "cluster": "C2", "category": "Joy", "has_lyrics": "1"},
            {**song, "id": "002", "cluster": "C5", "category": "Odd", "has_lyrics": "0"},
        ],
    )
    for path in ("panda4q/audio/MT1.opus", "mirex/audio/001.opus", "mirex/audio/002.opus"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "mirex/lyrics").mkdir()
    (tmp_path / "mirex/lyrics/001.txt").write_text("[Chorus]\nOne line<br>two\n")
    write_table(
        tmp_path / "text/emobank/corpus/emobank.csv",
        [{"id": "e1", "split": "dev", "V": "3.0", "A": "5.0", "D": "3.2", "text": "Hm."}],
    )
    folder = tmp_path / "text/goemotions"
    (folder / "data/original").mkdir(parents=True)
    (folder / "emotions.txt").write_text("\n".join(LABELS))
    for split in ("train", "dev", "test"):
        (folder / f"data/original/{split}.tsv").write_text(
            f'Say "thanks\t{GRATITUDE},{OPTIMISM}\t{split}1\nSo what\t{NEUTRAL}\t{split}2\n'
        )
    write_table(
        tmp_path / "song_overlaps.csv",
        [{"artist_key": "", "title_key": "", "ds_a": "a", "id_a": "1", "ds_b": "b", "id_b": "2"}],
    )
    return tmp_path


def test_panda4q_has_quadrant_words_and_their_norms(root):
    (track,) = panda4q.load(root)
    assert track.labels.quadrant is Quadrant.Q4
    assert track.labels.mood_words == ("calm", "peaceful")
    assert (track.labels.valence, track.labels.arousal) == (0.75, 0.125)
    assert track.labels.emotions[EMOTIONS.index("calmness")] == 1
    assert track.audio_path.is_file()
    assert track.lyrics is None
    assert panda4q.genres(root) == {"MT1": ("Jazz", "Vocal")}


def test_mirex_gives_cluster_lyrics_and_a_natural_artist_name(root):
    sung, instrumental = mirex.load(root)
    assert sung.labels.cluster == 1
    assert sung.lyrics == "One line\ntwo"
    assert sung.artist == "Ada Nina"
    assert instrumental.lyrics is None
    assert instrumental.labels.cluster == 4
    assert instrumental.labels.valence is None  # "odd" has no norm here
    assert instrumental.labels.quadrant is None


def test_emobank_is_rescaled_and_dev_is_val(root):
    (track,) = emobank.load(root)
    assert (track.labels.valence, track.labels.arousal) == (0.5, 1.0)
    assert track.split == "val"
    assert track.lyrics == "Hm."


def test_goemotions_maps_to_the_eight_and_drops_neutral(root):
    tracks = goemotions.load(root)
    assert [track.split for track in tracks] == ["train", "val", "test"]
    assert tracks[0].lyrics == 'Say "thanks'
    # gratitude is joy; optimism half joy, half anticipation
    assert tracks[0].labels.emotions[EMOTIONS.index("joy")] == pytest.approx(0.75)


def test_warriner_prefers_the_common_word_to_the_name(root):
    norms = warriner.load_norms(root)
    assert norms["bill"].valence == 0.5
    assert norms["sunday"].valence == pytest.approx(5 / 8)
    assert {track.lyrics for track in warriner.load(root)} == set(norms)


@pytest.mark.parametrize(
    ("path", "old", "new", "load", "message"),
    [
        ("panda4q/songs.csv", "Q4", "Q9", panda4q.load, "line 2, column quadrant: 'Q9'"),
        ("panda4q/songs.csv", "train", "later", panda4q.load, "line 2, column split: 'later'"),
        ("panda4q/songs.csv", "moods", "mood", panda4q.load, "lacks the column 'moods'"),
        ("mirex/songs.csv", "C5", "C6", mirex.load, "line 3, column cluster: 'C6'"),
        ("text/emobank/corpus/emobank.csv", "5.0", "5.1", emobank.load, "column A: 5.1 is out"),
        ("text/emobank/corpus/emobank.csv", "3.0", "x", emobank.load, "column V: 'x' is not"),
        (
            "text/goemotions/data/original/dev.tsv",
            f"{GRATITUDE},",
            "99,",
            goemotions.load,
            "dev.tsv, line 1",
        ),
        # Counted from the end, -1 would be the last emotion.
        (
            "text/goemotions/data/original/dev.tsv",
            f"{GRATITUDE},",
            "-1,",
            goemotions.load,
            "dev.tsv, line 1",
        ),
        ("text/goemotions/emotions.txt", "love", "luv", goemotions.load, "love, luv"),
    ],
)
def test_a_bad_cell_is_named(root, path, old, new, load, message):
    file = root / path
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError, match=message):
        load(root)


@pytest.mark.parametrize(
    ("path", "load"),
    [
        ("panda4q/songs.csv", panda4q.load),
        ("panda4q/audio/MT1.opus", panda4q.load),
        ("mirex/lyrics/001.txt", mirex.load),
        ("text/warriner/Ratings_Warriner_et_al.csv", mirex.load),
        ("text/emobank/corpus/emobank.csv", emobank.load),
        ("text/goemotions/emotions.txt", goemotions.load),
        ("text/goemotions/data/original/test.tsv", goemotions.load),
    ],
)
def test_a_missing_file_is_named(root, path, load):
    (root / path).unlink()
    with pytest.raises(DatasetError, match=Path(path).name):
        load(root)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 200_000], ids=["no text", "no end"])
@pytest.mark.parametrize("name", ["emotions.txt", "data/original/dev.tsv"])
def test_a_file_that_is_no_table_is_named(root, name, content):
    csv.field_size_limit(10**6)  # as a reader of catalogues leaves it
    (root / "text/goemotions" / name).write_bytes(content)
    with pytest.raises(DatasetError, match=f"{Path(name).name} cannot be read"):
        goemotions.load(root)


def test_an_empty_table_is_refused(root):
    file = root / "panda4q/songs.csv"
    file.write_text(file.read_text().splitlines()[0] + "\n")
    with pytest.raises(DatasetError, match="no rows"):
        panda4q.load(root)


def test_training_tracks_that_are_held_out_elsewhere_are_dropped(root):
    def track(dataset, track_id, split, lyrics=None):
        return Track(dataset, track_id, split, AffectLabels(), lyrics=lyrics)

    listed, twin = track("b", "2", "train"), track("a", "1", "test")
    same, held = track("c", "3", "train", "La  La\n"), track("d", "4", "val", "la la")
    kept, wordless = track("c", "5", "train", "la"), track("c", "6", "train")
    assert drop_overlaps([listed, twin, same, held, kept, wordless], root) == [
        twin,
        held,
        kept,
        wordless,
    ]
    # Two training tracks may be one song.
    pair = [listed, track("a", "1", "train")]
    assert drop_overlaps(pair, root) == pair


def test_every_module_states_its_terms():
    for name, module in datasets().items():
        assert module.__name__.endswith(f".{name}")
        assert module.LICENCE
        assert module.CITATION
        assert module.SCALE.low < module.SCALE.high


REAL_SIZES = {
    "panda4q": 720,
    "mirex": 723,
    "emobank": 10062,
    "goemotions": 35239,
    "warriner": 13905,
}
"""Training sets of the house model; the others are in `test_official_layouts`."""


@pytest.fixture(scope="module")
def real_tracks() -> dict[str, list[Track]]:
    return {name: dataset(name).load(DATA) for name in REAL_SIZES}


@needs_data
@pytest.mark.data
def test_real_sets_have_their_known_sizes(real_tracks):
    sizes = {name: len(tracks) for name, tracks in real_tracks.items()}
    assert sizes == REAL_SIZES
    assert Counter(t.labels.quadrant for t in real_tracks["panda4q"]) == dict.fromkeys(
        Quadrant, 180
    )
    assert sum(track.lyrics is not None for track in real_tracks["mirex"]) == 610


@needs_data
@pytest.mark.data
def test_no_artist_is_in_two_splits_of_the_music_sets(real_tracks):
    music = real_tracks["panda4q"] + real_tracks["mirex"]
    groups = {
        split: {track.artist_group for track in music if track.split == split} - {None}
        for split in SPLITS
    }
    assert all(groups.values())
    assert not groups["train"] & groups["val"]
    assert not groups["train"] & groups["test"]
    assert not groups["val"] & groups["test"]
    # Nine clips have no artist; they are training clips.
    assert {track.split for track in music if track.artist_group is None} == {"train"}


@needs_data
@pytest.mark.data
def test_every_mood_word_of_the_music_sets_is_found(real_tracks):
    crosswalk = Crosswalk(warriner.load_norms(DATA))
    vocabulary = {
        word
        for track in real_tracks["panda4q"] + real_tracks["mirex"]
        for word in track.labels.mood_words
    }
    assert len(vocabulary) > 200
    assert [word for word in vocabulary if crosswalk.resolve(word) is None] == []


@needs_data
@pytest.mark.data
def test_the_words_place_a_clip_in_its_quadrant(real_tracks):
    # The quadrants were made from the words, by the same norms, and then checked by listeners.
    train = [track for track in real_tracks["panda4q"] if track.split == "train"]
    agreed = sum(
        track.labels.quadrant
        == (
            ("Q1" if track.labels.valence >= 0.5 else "Q2")
            if track.labels.arousal >= 0.5
            else ("Q4" if track.labels.valence >= 0.5 else "Q3")
        )
        for track in train
    )
    assert agreed / len(train) > 0.95


@needs_data
@pytest.mark.data
def test_overlaps_cost_only_training_texts(real_tracks):
    tracks = [track for name in REAL_SIZES for track in real_tracks[name]]
    kept = drop_overlaps(tracks, DATA)
    lost = Counter((t.dataset, t.split) for t in tracks) - Counter(
        (t.dataset, t.split) for t in kept
    )
    assert lost
    assert all(split == "train" for _, split in lost)
    assert sum(lost.values()) < 0.01 * len(tracks)
