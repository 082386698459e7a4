"""Predicted points of everyday mood words and phrases, compared with one person's expectations.

    python -m benchmarks.mood_words

It writes docs/results/mood-words.md. The expectations were written before the first prediction and
have not been changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from mer.affect import AffectPoint
from mer.pipeline import EmotionPipeline

PAGE = Path("docs/results/mood-words.md")
EXPECTED = {
    "Q1": (
        "happy", "energetic", "epic", "uplifting", "joyful", "excited", "party", "euphoric",
        "triumphant", "playful", "cheerful", "fun", "getting ready to win", "dancing all night",
        "summer road trip", "celebration",
    ),
    "Q2": (
        "aggressive", "scary", "tense", "angry", "furious", "anxious", "frightening", "violent",
        "hostile", "panic", "horror movie", "screaming with rage", "a fight",
    ),
    "Q3": (
        "sad", "dark", "gloomy", "melancholic", "bored", "depressed", "lonely", "mournful",
        "heartbroken", "tired", "after the break-up", "crying alone at night", "funeral",
        "rainy and hopeless",
    ),
    "Q4": (
        "calm", "chilled", "romantic", "peaceful", "relaxed", "serene", "tender", "dreamy",
        "ethereal", "gentle", "cozy", "soothing", "mellow", "rainy sunday morning",
        "falling asleep", "meditation by the sea", "a quiet evening at home",
    ),
    "Q1 or Q4": ("sexy", "hopeful", "nostalgic"),
}  # fmt: skip
_BORDER = 0.1


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    pipeline = EmotionPipeline.from_pretrained()
    rows, right, near = [], 0, 0
    for quadrant, words in EXPECTED.items():
        for word in words:
            predicted = pipeline.predict_text(word)
            place = AffectPoint(predicted.valence, predicted.arousal)
            is_right = place.quadrant in quadrant
            right += is_right
            near += is_right or is_near(place, quadrant)
            verdict = (
                "yes" if is_right else "at the border" if is_near(place, quadrant) else "**no**"
            )
            rows.append(
                f"| {word} | {quadrant} | {predicted.valence:.2f} | {predicted.arousal:.2f} | "
                f"{place.quadrant} | {predicted.quadrant} | {verdict} |"
            )
    count = len(rows)
    lines = [
        "# Everyday mood words on the plane", "",
        f"Written by `python -m benchmarks.mood_words`; model {pipeline.model_version}.",
        f"Of {count} words and phrases {right} lie in the expected quadrant,",
        f"{near} in it or within {_BORDER} of it.",
        "The expectations are one person's, written before the first prediction.",
        "How requests in words are understood is measured in [words](words.md).", "",
        "| words | expected | valence | arousal | place | quadrant head | as expected |",
        "|---|---|--:|--:|---|---|---|", *rows,
    ]  # fmt: skip
    PAGE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def is_near(place: AffectPoint, quadrant: str) -> bool:
    """Return whether a step of up to `_BORDER` along each axis leads into the quadrant."""
    steps = (-_BORDER, 0.0, _BORDER)
    corners = [
        AffectPoint(min(1, max(0, place.valence + v)), min(1, max(0, place.arousal + a)))
        for v in steps
        for a in steps
    ]
    return any(corner.quadrant in quadrant for corner in corners)


if __name__ == "__main__":
    main()
