from __future__ import annotations

import numpy as np
import pytest

from tests.factories import SongEmotionFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_emotion_factory_makes_a_unit_embedding_and_a_matching_quadrant() -> None:
    emotion = SongEmotionFactory(valence=0.8, arousal=0.2)

    vector = np.frombuffer(emotion.fused_embedding, dtype="<f4")

    assert vector.shape == (256,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    assert emotion.quadrant == "Q4"
    assert max(emotion.quadrants, key=emotion.quadrants.get) == "Q4"
    assert sum(emotion.emotions.values()) == pytest.approx(1.0)


def test_user_factory_makes_a_password_that_logs_in() -> None:
    assert UserFactory().check_password("pass-word-1")
