"""The open checkpoint is trained on openly licensed data alone, and on descriptors of audio."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mer.errors import DatasetError
from mer.research.datasets.base import AffectLabels, Track
from mer.research.datasets.registry import dataset
from mer.research.house import open_weights, validation
from mer.research.house.mixture import TASKS, Plane, targets
from mer.research.inputs.features import TrackFeatures
from tests.mer.research.layouts import WARRINER, write

OPEN = ("CC0 1.0", "CC BY 4.0", "CC BY-SA 4.0", "Apache-2.0")


@pytest.fixture
def root(tmp_path):
    for name in open_weights.SETS:
        write(tmp_path, name)
    (tmp_path / WARRINER).unlink()
    return tmp_path


def test_every_set_has_an_open_licence():
    for name in open_weights.SETS:
        assert dataset(name).LICENCE.partition(";")[0] in OPEN, name


def test_no_other_set_is_read_and_no_label_comes_from_one(root):
    tracks = open_weights.load_tracks(root)
    assert {track.dataset for track in tracks} == set(open_weights.SETS)
    comments = [track for track in tracks if track.dataset == "goemotions"]
    assert {track.split for track in comments} == {"train"}
    assert {(track.labels.valence, track.labels.arousal) for track in comments} == {(None, None)}
    assert all(track.labels.emotions for track in comments)
    (root / "composed/songs.csv").unlink()
    with pytest.raises(DatasetError, match="compose_dataset"):
        open_weights.load_tracks(root)


def test_composed_pieces_lie_where_they_were_intended():
    sentences = [
        Track("emobank", str(n), "train", AffectLabels(valence=0.2 * n, arousal=0.1 * n))
        for n in range(4)
    ]
    piece = Track("composed", "1", "train", AffectLabels(valence=0.9, arousal=0.3))
    wanted = targets([piece, sentences[0]], Plane.of_sentences(sentences))
    assert wanted.affect[0].tolist() == pytest.approx([0.9, 0.3])
    assert wanted.affect[1].max() < 0.5, "EmoBank has moments of its own"
    assert wanted.weights[:, TASKS.index("gems")].tolist() == [0.0, 0.0]


def test_instrumentations_are_left_out_in_groups(monkeypatch, tmp_path):
    genres = ("piano", "strings", "orchestra", "band")
    pieces = [
        TrackFeatures(Track("composed", name, "train", AffectLabels(), genres=(name,)))
        for name in genres
    ]
    text = TrackFeatures(Track("emobank", "1", "train", AffectLabels()))
    trained = []

    def trainer(recipe, config, songs, texts, plane, folder, start):
        trained.append(([song.track.track_id for song in songs], len(texts), folder.name))
        return SimpleNamespace(train=lambda: None)

    monkeypatch.setattr(validation, "Trainer", trainer)
    networks = open_weights.leave_instrumentations_out(None, None, [*pieces, text], None, tmp_path)
    assert trained == [
        (["strings", "orchestra", "band"], 1, "without-piano"),
        (["piano", "band"], 1, "without-strings"),
        (["piano", "strings", "orchestra"], 1, "without-band"),
    ]
    held = {name: [s.track.track_id for s in fold.held_out] for name, fold in networks.items()}
    assert held == {
        "solo piano": ["piano"], "orchestral": ["strings", "orchestra"], "band": ["band"],
    }  # fmt: skip
