"""The model measured on a user's own labelled songs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mer.affect import QUADRANTS, AffectPoint, Quadrant
from mer.errors import DatasetError, MerError
from mer.own_songs import OwnSong, evaluate_table, measure, read_songs, report
from mer.pipeline import EmotionPipeline
from mer.prediction import EmotionPrediction, SongInput
from tests.mer.untrained import save_untrained, write_tone

if TYPE_CHECKING:
    from pathlib import Path

CENTRES = {"Q1": (0.8, 0.8), "Q2": (0.2, 0.8), "Q3": (0.2, 0.2), "Q4": (0.8, 0.2)}


def said(quadrant: str, confidence: float = 0.7, spread: float = 0.1) -> EmotionPrediction:
    """A prediction that puts `confidence` on a quadrant and itself in its middle."""
    rest = (1 - confidence) / 3
    valence, arousal = CENTRES[quadrant]
    return EmotionPrediction(
        model_version="affetti-00000000",
        valence=valence,
        arousal=arousal,
        valence_spread=spread,
        arousal_spread=spread,
        quadrant=Quadrant(quadrant),
        quadrants={q: confidence if q == quadrant else rest for q in QUADRANTS},
        emotions={},
        confidence=confidence,
        gates={},
        timeline=(),
        fused_embedding=np.zeros(256, dtype=np.float32),
    )


def song(line: int, path: Path, **labels: object) -> OwnSong:
    return OwnSong(line, SongInput(path / f"{line}.wav"), **labels)  # type: ignore[arg-type]


def table(folder: Path, text: str) -> Path:
    path = folder / "songs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_accuracy_confusion_and_worst_songs(tmp_path: Path) -> None:
    predicted = [
        (song(2, tmp_path, quadrant=Quadrant.Q1), said("Q1")),
        (song(3, tmp_path, quadrant=Quadrant.Q1), said("Q2", 0.9)),
        (song(4, tmp_path, quadrant=Quadrant.Q3), said("Q3")),
        (song(5, tmp_path, quadrant=Quadrant.Q4), said("Q4")),
    ]
    figures = measure(predicted, {})
    assert figures["quadrant"]["accuracy"]["estimate"] == 0.75
    assert figures["quadrant"]["majority"] == 0.5
    assert figures["quadrant"]["confusion"][0] == [1, 1, 0, 0]
    assert figures["quadrant"]["macro_f1"] == pytest.approx((2 / 3 + 0 + 1 + 1) / 4)
    assert figures["worst"][0]["path"].endswith("3.wav")
    assert figures["worst"][0]["error"] == pytest.approx(1 - 0.1 / 3)


def test_ratings_are_compared_axis_by_axis(tmp_path: Path) -> None:
    points = [AffectPoint(v, 1 - a) for v, a in CENTRES.values()]  # arousal upside down
    predicted = [
        (song(i, tmp_path, point=point, quadrant=point.quadrant), said(name))
        for i, (point, name) in enumerate(zip(points, CENTRES, strict=True))
    ]
    affect = measure(predicted, {})["affect"]
    assert affect["valence"]["ccc"] == pytest.approx(1)
    assert affect["valence"]["rmse"] == pytest.approx(0)
    assert affect["arousal"]["pearson"] == pytest.approx(-1)


def test_spreads_are_held_against_what_was_off(tmp_path: Path) -> None:
    offs = (0.0, 0.1, 0.19, 0.3)  # above the said valence; the spread is 0.1, then 0.2
    predicted = [
        (
            song(i, tmp_path, point=AffectPoint(0.2 + off, 0.2), quadrant=Quadrant.Q3),
            said("Q3", spread=spread),
        )
        for spread in (0.1, 0.2)
        for i, off in enumerate(offs)
    ]
    valence = measure(predicted, {})["affect"]["valence"]
    assert valence["within_one_spread"] == pytest.approx((1 + 3) / 8)
    assert valence["within_two_spreads"] == pytest.approx((3 + 4) / 8)
    assert valence["spread"] == pytest.approx(0.15)


def test_ambiguous_songs_are_counted_apart(tmp_path: Path) -> None:
    predicted = [
        (song(2, tmp_path, quadrant=Quadrant.Q1), said("Q1", 0.5)),
        (song(3, tmp_path, quadrant=Quadrant.Q1), said("Q2", 0.49)),
        (song(4, tmp_path, quadrant=Quadrant.Q3), said("Q3", 0.4)),
    ]
    figures = measure(predicted, {})
    assert figures["quadrant"]["sure"] == {"songs": 1, "accuracy": 1.0}
    assert figures["quadrant"]["ambiguous"] == {"songs": 2, "accuracy": 0.5}
    lines = list(report({**figures, "model_version": "affetti-00000000", "failed": []}))
    assert "ambiguous: 2 songs, accuracy 0.500" in lines
    alone = measure(predicted[:1], {})
    assert alone["quadrant"]["ambiguous"] == {"songs": 0, "accuracy": None}
    lines = list(report({**alone, "model_version": "affetti-00000000", "failed": []}))
    assert not any(line.startswith("ambiguous") for line in lines)


def test_a_mood_is_right_when_it_is_the_nearest_of_the_tables_moods(tmp_path: Path) -> None:
    moods = {"calm": said("Q4"), "furious": said("Q2"), "gloomy": said("Q3")}
    predicted = [
        (song(2, tmp_path, mood="calm"), said("Q4")),
        (song(3, tmp_path, mood="calm"), said("Q3")),
        (song(4, tmp_path, mood="furious"), said("Q2")),
    ]
    mood = measure(predicted, moods)["mood"]
    assert mood["accuracy"] == pytest.approx(2 / 3)
    assert mood["majority"] == pytest.approx(2 / 3)
    assert mood["each"]["calm"] == {"songs": 2, "right": 1}


def test_paths_lyrics_and_labels_are_read(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("La la\n")
    rows = read_songs(
        table(
            tmp_path,
            "\ufeffPath,Valence,arousal,quadrant,mood,lyrics,title,artist\n"
            "a.mp3,0.9,0.1,,,words.txt,Song,Someone\n"
            "b.mp3,,,q2,tense,,,\n",
        )
    )
    assert rows[0].song == SongInput(tmp_path / "a.mp3", "La la", "Song", "Someone")
    assert (rows[0].point, rows[0].quadrant) == (AffectPoint(0.9, 0.1), Quadrant.Q4)
    assert (rows[1].quadrant, rows[1].mood, rows[1].line) == (Quadrant.Q2, "tense", 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a column path"),
        ("path,genre\na.mp3,rock\n", "needs a column path and one of quadrant"),
        ("path,quadrant\n", "no rows"),
        ("path,quadrant\n,Q1\n", "line 2, column path"),
        ("path,quadrant\na.mp3,Q5\n", "line 2, column quadrant: 'Q5'"),
        ("path,quadrant\na.mp3,\n", "line 2: has no label"),
        ("path,valence,arousal\na.mp3,0.4,7\n", "line 2, column arousal: 7 is outside"),
        ("path,valence,arousal\na.mp3,0.4,\n", "line 2, column arousal: '' is not a number"),
        ("path,valence,arousal\na.mp3,nan,0.4\n", "line 2, column valence"),
        ("path,quadrant,lyrics\na.mp3,Q1,none.txt\n", "none.txt"),
    ],
)
def test_a_wrong_table_is_named_by_line_and_column(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MerError, match=message) as caught:
        read_songs(table(tmp_path, text))
    assert caught.value.code in ("DATASET_INVALID", "LYRICS_UNREADABLE")


def test_an_absent_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.csv cannot be read"):
        read_songs(tmp_path / "none.csv")


def test_a_bad_song_is_left_out_and_named(tmp_path: Path) -> None:
    for name, hertz in (("low.wav", 110), ("high.wav", 880)):
        write_tone(tmp_path / name, 5, hertz)
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    path = table(
        tmp_path, "path,quadrant,mood\nlow.wav,Q3,sad\nbroken.wav,Q1,\nhigh.wav,Q1,happy\n"
    )
    pipeline = EmotionPipeline.from_pretrained(save_untrained(tmp_path))
    figures = evaluate_table(path, pipeline)
    assert figures["songs"] == 2
    assert figures["mood"]["moods"] == 2
    (failure,) = figures["failed"]
    assert failure["path"].endswith("broken.wav")
    text = "\n".join(report(figures))
    assert "2 songs predicted by affetti-" in text
    assert f"skipped: {failure['code']}" in text


def test_when_no_song_can_be_used_the_first_reason_is_given(tmp_path: Path) -> None:
    path = table(tmp_path, "path,quadrant\nnone.wav,Q3\n")
    pipeline = EmotionPipeline.from_pretrained(save_untrained(tmp_path))
    with pytest.raises(DatasetError, match=r"no song .*none\.wav"):
        evaluate_table(path, pipeline)
