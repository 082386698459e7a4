"""The suite of the data sets: catalogues by fold, labels, predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from mer.affect import QUADRANTS
from mer.batches import AffettiConfig
from mer.network import AffettiNetwork
from mer.research.datasets.base import AffectLabels, Track
from mer.research.house.mixture import Plane
from mer.research.house.validation import FoldNetwork, predict
from mer.research.inputs.features import TrackFeatures
from mer.research.playlists import material
from mer.research.playlists.suite import read_suite, write_suite
from tests.mer.untrained import write_tone

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = AffettiConfig(audio_dim=206, text_dim=4, descriptor_dim=0, text_width=8)
MOMENTS = ((0.5, 0.2), (0.5, 0.2))
PLANE = Plane(MOMENTS, MOMENTS, MOMENTS)


@pytest.fixture
def folds(tmp_path: Path) -> list[FoldNetwork]:
    songs = []
    for number in range(8):
        dataset = ("panda4q", "mirex")[number % 2]
        (tmp_path / dataset).mkdir(exist_ok=True)
        generator = torch.Generator().manual_seed(number)
        labels = AffectLabels(
            quadrant=QUADRANTS[number // 2] if dataset == "panda4q" else None,
            cluster=number // 2 if dataset == "mirex" else None,
            valence=0.7, arousal=0.3, mood_words=("wistful",),
        )  # fmt: skip
        track = Track(
            dataset, str(number), "train", labels,
            audio_path=write_tone(tmp_path / f"{number}.wav", 3.5, 110.0 * (number + 1)),
            title=f"Song {number}",
            artist_group=None if number == 1 else f"artist{number // 4}",
        )  # fmt: skip
        audio = torch.randn(3, 206, generator=generator)
        lyrics = torch.randn(2, 4, generator=generator)
        songs.append(TrackFeatures(track, audio, lyrics, lyrics))
    for dataset, rows in (
        ("panda4q", "id,genres\n0,Rock; Pop\n2,\n4,Rock\n6,Folk\n"),
        ("mirex", "id,year\n1,1999\n3,\n5,2001\n7,0\n"),
    ):
        (tmp_path / dataset / "songs.csv").write_text(rows)
    torch.manual_seed(0)
    networks = [AffettiNetwork(CONFIG).eval() for _ in range(2)]
    return [
        FoldNetwork(network, tuple(songs[i * 4 : i * 4 + 4])) for i, network in enumerate(networks)
    ]


def test_each_fold_and_set_is_a_catalogue_with_the_labels_that_can_be_trusted(folds, tmp_path):
    catalogues = list(material._by_fold(folds))
    suite = material.suite_of(catalogues, PLANE, tmp_path)
    assert {name: len(songs) for name, songs in suite.catalogues.items()} == {
        "panda4q, out of fold/1": 2,
        "panda4q, out of fold/2": 2,
        "mirex, out of fold/1": 2,
        "mirex, out of fold/2": 2,
    }
    song = suite.songs["panda4q-0"]
    assert song.labels.quadrants == {"Q1"}
    assert song.labels.place == pytest.approx((1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))))
    assert song.genres == {"Rock", "Pop"}
    clustered = suite.songs["mirex-1"]
    # The norm of one adjective is no place; a song without an artist is a group of its own.
    assert clustered.labels.place is None
    assert clustered.labels.words == {"wistful"}
    assert (clustered.labels.cluster, clustered.year, clustered.group) == ("C1", 1999, "mirex-1")
    assert {len(vector) for vector in suite.vectors["MusiCNN"].values()} == {200}
    assert {len(vector) for vector in suite.vectors["MFCC"].values()} == {40}
    write_suite(tmp_path / "suite", suite)
    assert read_suite(tmp_path / "suite").queries.keys() == suite.queries.keys()


def test_songs_are_predicted_by_the_network_of_their_fold(folds, tmp_path):
    catalogues = list(material._by_fold(folds))
    found = material.predictions(catalogues, ("audio",))
    row = list(found.songs).index("mirex-5")
    assert found.catalogues[row] == "mirex, out of fold/2"
    output = predict(folds[1].network, folds[1].held_out[1:2], ("audio",))
    assert np.allclose(found.affect[row], output.affect[0], atol=1e-6)
    assert np.allclose(found.quadrants.sum(axis=1), 1)
    found.write(tmp_path / "predictions.npz")
    with np.load(tmp_path / "predictions.npz") as file:
        assert file["songs"].tolist() == list(found.songs)
        assert file["fused"].shape == (8, 256)


def test_other_inputs_give_other_predictions(folds):
    catalogues = list(material._by_fold(folds))
    whole, sound = (material.predictions(catalogues, i) for i in material.INPUTS.values())
    assert not np.allclose(whole.affect, sound.affect)
