"""Which lyric lines are named: their tokens, their repetitions, their order, and their limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mer.batches import AffettiConfig, AffettiOutput, collate
from mer.encoders.text import TextEncoder
from mer.explain import (
    NAMED_LINES,
    SHORTLIST,
    ReadLine,
    anchored,
    line_key,
    passages,
    read_lines,
    shortlist,
    strongest_lines,
    without_each,
)
from mer.lyrics import clean_lyrics, lyric_lines
from mer.network import AffettiNetwork
from mer.pipeline import EmotionPipeline
from mer.prediction import LyricLine, SongInput
from tests.mer.untrained import save_untrained, write_tone

CHORUS = "Come back to me"
SONG = f"The night is long\n{CHORUS}\n\nI am far from home\ncome  back, to me!\nRain\n{CHORUS}"
NEUTRAL = (
    "The table stands beside the door",
    "A paper lies upon the floor",
    "There is a number on the wall",
    "The lamp is standing in the hall",
    "A box is on the second shelf",
)


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder.from_pretrained()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return EmotionPipeline.from_pretrained(save_untrained(tmp_path_factory.mktemp("explain")))


@pytest.fixture(scope="module")
def network():
    config = AffettiConfig(audio_dim=6, text_dim=4, descriptor_dim=0, text_width=8, members=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AffettiNetwork(config).eval().requires_grad_(False)


def read(encoder, text):
    batch = encoder.encode([text])
    return batch.offsets[0], read_lines(text, batch.offsets[0])


def outputs(*points):
    rest = dict.fromkeys(AffettiOutput._fields, torch.zeros(len(points), 1))
    return AffettiOutput(**rest | {"affect": torch.tensor(points)})


def lines_of(count):
    return [ReadLine(i, f"line {i}", torch.zeros(1, dtype=torch.bool)) for i in range(count)]


def test_every_token_belongs_to_the_line_it_stands_in(encoder):
    text = "Señor, ça va? 愛してる\n😀 hold\ton 😀\nœuvre"
    offsets, lines = read(encoder, text)
    assert [line.text for line in lines] == text.split("\n")
    assert [line.line for line in lines] == [0, 1, 2]
    for line in lines:
        for first, end in offsets[line.tokens].tolist():
            assert text[first:end] in line.text
    owners = torch.stack([line.tokens for line in lines]).sum(dim=0)
    assert owners.tolist() == [0, *[1] * (len(offsets) - 2), 0]  # the special ones are nobody's


def test_repetitions_are_one_line_whatever_their_case_and_punctuation(encoder):
    offsets, lines = read(encoder, SONG)
    assert [line.text for line in lines] == [
        "The night is long", CHORUS, "I am far from home", "Rain",
    ]  # fmt: skip
    assert [line.line for line in lines] == [0, 1, 2, 4]
    said = [SONG[first:end].casefold() for first, end in offsets[lines[1].tokens].tolist()]
    words = CHORUS.casefold().split()
    assert said == [*words, "come", "back", ",", "to", "me", "!", *words]


def test_lines_are_counted_as_the_text_module_counts_them(encoder):
    text = clean_lyrics("[Verse 1]\nOne\n\n\nTwo\n\n[Chorus]\nThree (three)\n")
    _, lines = read(encoder, text)
    assert len(lines) == 3
    assert [lyric_lines(text)[line.line] for line in lines] == [line.text for line in lines]


def test_what_lies_beyond_the_limit_is_no_line(encoder):
    text = "\n".join(f"word number {number} of the song" for number in range(100))
    offsets, lines = read(encoder, text)
    assert len(offsets) == 256
    last = max(end for _, end in offsets.tolist())
    assert len(lines) == text[:last].count("\n") + 1
    assert lines[-1].text == text.split("\n")[len(lines) - 1]  # whole, though read in part
    assert int(sum(line.tokens.sum() for line in lines)) == 254


def test_a_token_that_begins_with_the_break_belongs_to_what_follows():
    offsets = torch.tensor([(0, 0), (0, 4), (4, 9), (0, 0)])  # as SentencePiece cuts
    first, second = read_lines("hold\nback", offsets)
    assert first.tokens.tolist() == [False, True, False, False]
    assert second.tokens.tolist() == [False, False, True, False]


def test_signs_without_letters_are_lines_of_their_own(encoder):
    _, lines = read(encoder, "?!\n...\n?!")
    assert [(line.line, line.text) for line in lines] == [(0, "?!"), (1, "...")]


def test_nothing_read_is_no_line(encoder):
    assert read(encoder, "")[1] == []
    assert read(encoder, "\n \n")[1] == []


@pytest.mark.parametrize("has_audio", [True, False])
@pytest.mark.parametrize("has_context", [True, False])
def test_a_line_is_left_out_of_the_mean(network, has_audio, has_context):
    generator = torch.Generator().manual_seed(1)
    audio = torch.randn(3, 6, generator=generator) if has_audio else None
    context = torch.randn(2, 4, generator=generator).half() if has_context else None
    lyrics = torch.randn(5, 4, generator=generator)
    masks = torch.tensor([[False, True, True, False, False], [False, False, False, True, False]])
    lines = [ReadLine(place, "", mask) for place, mask in enumerate(masks)]
    output = without_each(network, audio, lyrics, context, lines)
    rows = [lyrics, lyrics[~masks[0]], lyrics[~masks[1]]]
    wanted = network(collate([audio] * 3, rows, [context] * 3, network.config))
    for mine, other in zip(output, wanted, strict=True):
        assert torch.allclose(mine, other, atol=1e-6)
    assert len(set(output.affect[:, 0].tolist())) == 3


def test_the_strongest_come_first_and_ties_keep_their_order():
    # Powers of two, so that differences are exact.
    output = outputs((0.5, 0.5), (0.5, 0.375), (0.75, 0.5), (0.25, 0.5), (0.5, 0.5), (0.5, 0.0))
    assert strongest_lines(output, lines_of(5)) == (
        LyricLine(4, "line 4", 0.0, 0.5),
        LyricLine(1, "line 1", -0.25, 0.0),
        LyricLine(2, "line 2", 0.25, 0.0),
    )


def test_the_shortlist_has_the_likeliest_lines():
    moved = (0.25, 0.0, 0.5, 0.125, 0.375, 0.0625)
    output = outputs((0.5, 0.5), *((0.5 - by, 0.5) for by in moved))
    lines = lines_of(len(moved))
    assert shortlist(output, lines) == [lines[place] for place in (2, 4, 0, 3)]
    assert len(shortlist(output, lines)) == SHORTLIST
    assert shortlist(outputs(*[(0.5, 0.5)] * 3), lines[:2]) == lines[:2]


def test_the_rest_is_what_was_read_without_the_line(encoder):
    _, lines = read(encoder, SONG)
    kept = SONG.split("\n")
    assert lines[1].rest == "\n".join((kept[0], "", kept[3], kept[5]))
    assert lines[3].rest == "\n".join((*kept[:5], kept[6]))
    _, (only,) = read(encoder, "once\nOnce!")
    assert only.rest == ""


def test_what_was_not_read_is_not_in_the_rest(encoder):
    text = "\n".join(f"word number {number} of the song" for number in range(100))
    offsets, lines = read(encoder, text)
    first, last = lines[0], lines[-1]
    assert first.rest == text[: int(offsets.max())].split("\n", 1)[1]
    assert last.rest == text[: text.index(last.text) - 1]


def test_shift_is_the_distance_on_the_plane():
    assert LyricLine(0, "", -0.3, 0.4).shift == pytest.approx(0.5)


def test_passages_are_patches_with_their_neighbours():
    audio = torch.arange(4.0)[:, None]
    assert [part[:, 0].tolist() for part in passages(audio)] == [
        [0, 1], [0, 1, 2], [1, 2, 3], [2, 3],
    ]  # fmt: skip
    assert [part.tolist() for part in passages(audio[:1])] == [[[0]]]


places = st.tuples(*[st.floats(0, 1, width=32)] * 2)


@given(st.lists(places, min_size=1, max_size=30), places)
def test_anchored_passages_have_the_mean_of_the_song_and_keep_their_order(points, whole):
    before, song = torch.tensor(points), torch.tensor(whole)
    after = anchored(before, song)
    assert after.mean(dim=0).tolist() == pytest.approx(whole, abs=1e-7)
    assert ((after >= 0) & (after <= 1)).all()
    for old, new in zip(before.T, after.T, strict=True):
        assert (new[old.argsort()].diff() >= -1e-12).all()  # of equal ones rounding may differ


@given(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=30), st.floats(0.01, 0.99))
def test_anchoring_moves_every_passage_by_the_same_log_odds(valences, whole):
    before = torch.tensor(valences, dtype=torch.float64)[:, None].expand(-1, 2)
    after = anchored(before, torch.tensor([whole, 0.5], dtype=torch.float64))
    moved = after.logit() - before.logit()
    assert torch.allclose(moved, moved[:1].expand_as(moved), atol=1e-6)
    steps = before.diff(dim=0)
    assert (after.diff(dim=0) * steps > 0)[steps.abs() > 1e-9].all()


def test_what_already_has_the_mean_of_the_song_stays():
    points = torch.tensor([[0.2, 0.9], [0.6, 0.3], [0.7, 0.0]])
    assert torch.allclose(anchored(points, points.mean(dim=0)).float(), points, atol=1e-6)
    one = torch.tensor([[0.25, 0.75]])
    assert torch.allclose(anchored(one, one[0]).float(), one)


def test_without_passages_there_is_nothing_to_anchor():
    assert anchored(torch.empty(0, 2), torch.tensor([0.5, 0.5])).shape == (0, 2)


def test_a_prediction_names_lines_of_its_song(pipeline, tmp_path):
    song = SongInput(write_tone(tmp_path / "a.wav", 4, 300), SONG, "Tune", "Ada")
    (prediction,) = pipeline.predict([song])
    assert len(prediction.lyric_lines) == NAMED_LINES
    shifts = [line.shift for line in prediction.lyric_lines]
    assert shifts == sorted(shifts, reverse=True)
    assert shifts[0] > 0
    for line in prediction.lyric_lines:
        assert line.text == lyric_lines(SONG)[line.line]


def test_a_line_adds_what_its_deletion_takes_away(pipeline):
    song = SongInput(lyrics=SONG, title="Tune", artist="Ada")
    (whole,) = pipeline.predict([song])
    assert len(whole.lyric_lines) == NAMED_LINES
    for line in whole.lyric_lines:
        rest = "\n".join(text for text in SONG.split("\n") if line_key(text) != line_key(line.text))
        (without,) = pipeline.predict([replace(song, lyrics=rest)])
        # In bfloat16 the company of other texts moves the last bits.
        assert whole.valence - without.valence == pytest.approx(line.valence, abs=5e-4)
        assert whole.arousal - without.arousal == pytest.approx(line.arousal, abs=5e-4)


def test_what_a_line_adds_is_the_same_in_company(pipeline):
    songs = [SongInput(lyrics=SONG), SongInput(title="Tune"), SongInput(lyrics="\n".join(NEUTRAL))]
    for song, together in zip(songs, pipeline.predict(songs), strict=True):
        (alone,) = pipeline.predict([song])
        mine, others = (
            {line.line: (line.valence, line.arousal) for line in prediction.lyric_lines}
            for prediction in (alone, together)
        )
        assert mine.keys() == others.keys()
        for line, added in mine.items():
            # In bfloat16 the company of other texts moves the last bits.
            assert added == pytest.approx(others[line], abs=5e-4)


def test_timed_lyrics_and_typed_text_have_lines_too(pipeline):
    timed = "[ti:Tune]\n[00:01.00]Far from home\n[00:02.00]\n[00:03.50]Rain all night"
    (song,) = pipeline.predict([SongInput(lyrics=timed)])
    typed = pipeline.predict_text("Far from home\n\nRain all night")
    for prediction in (song, typed):
        named = {line.line: line.text for line in prediction.lyric_lines}
        assert named == {0: "Far from home", 1: "Rain all night"}


@pytest.mark.parametrize(
    "song",
    [
        SongInput(title="Tune"),
        SongInput(lyrics="Rain all night"),
        SongInput(lyrics=f"[Chorus]\n{CHORUS}\n{CHORUS.upper()}!\n\n{CHORUS}"),
        SongInput(lyrics="[Instrumental]", artist="Ada"),
        SongInput(lyrics="\n".join(["la " * 130] * 2 + ["another line, too late"])),
    ],
)
def test_without_two_lines_none_is_named(pipeline, song):
    (prediction,) = pipeline.predict([song])
    assert prediction.lyric_lines == ()


@pytest.mark.parametrize(
    ("strong", "side"),
    [
        ("I hate you and I want to see you dead", -1),
        ("Happy, happy, we are dancing full of joy", 1),
    ],
)
def test_the_packaged_model_names_the_line_that_is_not_neutral(packaged, strong, side):
    for place in (0, 2, 5):
        lyrics = "\n".join((*NEUTRAL[:place], strong, *NEUTRAL[place:]))
        (prediction,) = packaged.predict([SongInput(lyrics=lyrics)])
        named = prediction.lyric_lines[0]
        assert (named.line, named.text) == (place, strong)
        assert named.valence * side > 0


@pytest.fixture(scope="module")
def packaged():
    return EmotionPipeline.from_pretrained()
