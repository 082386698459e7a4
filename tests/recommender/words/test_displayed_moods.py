"""The words engine understands what a page calls a mood, in each language of the pages."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.utils import translation

from recommender.moods import MOODS
from recommender.terms import shown
from recommender.words import understand

LANGUAGES = [code for code, _ in settings.LANGUAGES if not code.startswith("en")]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mood", MOODS)
def test_a_displayed_name_is_understood_as_its_mood(language: str, mood: str) -> None:
    with translation.override(language):
        name = shown(mood)
    assert [target.name for target in understand(name).targets] == [mood], name
