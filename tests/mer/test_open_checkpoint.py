"""The packaged checkpoint `affetti-open`: chosen by name, small, openly licensed, and usable."""

from __future__ import annotations

import pytest

from mer import EmotionPipeline, SongInput, checkpoint
from tests.mer.research.material import write_tone


def test_it_is_packaged_beside_the_house_model():
    path = checkpoint.packaged_path("affetti-open")
    checkpoint.check(path)
    assert path != checkpoint.packaged_path("affetti")
    assert path.stat().st_size < 15e6
    card = checkpoint.read_card(path)
    assert card["licence"] == "CC BY-SA 4.0; see docs/model-card-open.md"


@pytest.fixture(scope="module")
def pipeline():
    return EmotionPipeline.from_pretrained("affetti-open")


def test_it_predicts_sound_and_words(pipeline, tmp_path):
    (song,) = pipeline.predict([SongInput(write_tone(tmp_path / "tone.wav", 440.0, 6.0))])
    assert song.model_version == checkpoint.packaged_version("affetti-open")
    assert sum(song.quadrants.values()) == pytest.approx(1.0)
    assert song.felt == {}, "it was trained without listeners' felt emotions"
    assert song.novelty is not None
    happy, sad = (
        pipeline.predict_text(text).valence
        for text in ("I am so happy, what a wonderful day", "I am sad and alone and I cry")
    )
    assert happy > sad + 0.2
