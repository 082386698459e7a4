"""The pipeline with an untrained network: properties that hold for any weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mer import checkpoint
from mer import pipeline as pipeline_module
from mer.affect import EMOTIONS, GEMS, QUADRANTS
from mer.batches import AffettiConfig
from mer.encoders.text import TextEncoder
from mer.errors import (
    AudioDecodeError,
    AudioSilentError,
    CheckpointCorruptError,
    CheckpointError,
    InputError,
    LyricsError,
)
from mer.lyrics import MAX_LYRICS_BYTES
from mer.network import AffettiNetwork
from mer.pipeline import EmotionPipeline
from mer.prediction import MODALITIES, UNFAMILIAR_FROM, SongInput
from tests.mer.untrained import save_untrained, some_corrections, write_tone
from tests.mer.verses import VERSES

LYRICS = "[Chorus]\nThe night is long and I am far from home\nCome back to me"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture(scope="module")
def weights(folder):
    return save_untrained(folder)


@pytest.fixture(scope="module")
def pipeline(weights):
    return EmotionPipeline.from_pretrained(weights)


@pytest.fixture(scope="module")
def songs(folder):
    long, short = write_tone(folder / "a.wav", 13, 300), write_tone(folder / "b.wav", 4, 900)
    return [
        SongInput(long, LYRICS, "Tune", "Ada"),
        SongInput(short),
        SongInput(lyrics="Dance all night"),
        SongInput(title="Tune"),
        SongInput(short, artist="Ada"),
    ]


@pytest.fixture(scope="module")
def predictions(pipeline, songs):
    return pipeline.predict(songs)


def test_outputs_are_in_their_ranges(predictions, weights):
    for prediction in predictions:
        assert prediction.model_version == weights.stem
        assert 0 <= prediction.valence <= 1
        assert 0 <= prediction.arousal <= 1
        assert prediction.valence_spread > 0
        assert prediction.arousal_spread > 0
        assert tuple(prediction.quadrants) == QUADRANTS
        assert tuple(prediction.emotions) == EMOTIONS
        assert tuple(prediction.gates) == MODALITIES
        for shares in (prediction.quadrants, prediction.emotions, prediction.gates):
            assert sum(shares.values()) == pytest.approx(1, abs=1e-6)
        assert prediction.quadrants[prediction.quadrant] == prediction.confidence
        assert prediction.confidence == max(prediction.quadrants.values())
        assert prediction.fused_embedding.shape == (256,)
        assert prediction.fused_embedding.dtype == np.float32
        assert np.linalg.norm(prediction.fused_embedding) == pytest.approx(1, abs=1e-5)


def test_spreads_are_the_whole_songs_and_valence_is_first(predictions, songs, folder):
    wider = EmotionPipeline.from_pretrained(
        save_untrained(folder / "wider", AffettiConfig(spread_scales=((2.0, 1.0),) * 8))
    )
    for before, after in zip(predictions, wider.predict(songs), strict=True):
        assert after.valence_spread == pytest.approx(2 * before.valence_spread)
        assert after.arousal_spread == pytest.approx(before.arousal_spread)


def test_a_song_is_ambiguous_below_one_half(predictions):
    for confidence, is_ambiguous in ((0.49, True), (0.5, False)):
        doubtful = dataclasses.replace(predictions[0], confidence=confidence)
        assert doubtful.is_ambiguous is is_ambiguous


def test_a_missing_modality_has_no_gate(predictions, songs):
    for prediction, song in zip(predictions, songs, strict=True):
        assert (prediction.gates["audio"] == 0) == (song.path is None)
        assert (prediction.gates["lyrics"] == 0) == (song.lyrics is None)
        assert (prediction.gates["context"] == 0) == (song.title is None and song.artist is None)


def test_each_modality_alone_is_what_a_song_with_nothing_else_is(pipeline, predictions, songs):
    long = songs[0]
    parts = {
        "audio": SongInput(long.path),
        "lyrics": SongInput(lyrics=long.lyrics),
        "context": SongInput(title=long.title, artist=long.artist),
    }
    assert tuple(predictions[0].alone) == MODALITIES
    for name, part in parts.items():
        only = pipeline.predict([part])[0]
        assert predictions[0].alone[name] == pytest.approx((only.valence, only.arousal), abs=1e-5)
        assert only.alone == {name: pytest.approx((only.valence, only.arousal), abs=1e-5)}
    assert set(predictions[4].alone) == {"audio", "context"}


def test_the_timeline_covers_the_audio_in_order(predictions):
    long, short, text, *_ = predictions
    starts = [point.start_seconds for point in long.timeline]
    assert starts == sorted(starts)
    assert len(starts) == 4
    assert 0 <= starts[0] < 3
    assert starts[-1] < long.duration_seconds == pytest.approx(13, abs=0.01)
    assert len({point.valence for point in long.timeline}) > 1
    assert len(short.timeline) == 1
    assert text.timeline == ()
    assert text.duration_seconds is None


def test_the_mean_of_the_timeline_is_the_song(predictions):
    for song in predictions:
        if song.timeline:
            mean = np.mean([(point.valence, point.arousal) for point in song.timeline], axis=0)
            assert mean == pytest.approx((song.valence, song.arousal), abs=1e-6)


def test_with_one_patch_the_timeline_is_the_song(predictions):
    short = predictions[1]
    (point,) = short.timeline
    assert (point.valence, point.arousal) == pytest.approx((short.valence, short.arousal), abs=1e-5)


def test_other_songs_of_a_batch_change_nothing(pipeline, songs, predictions):
    for song, together in zip(songs, predictions, strict=True):
        (alone,) = pipeline.predict([song])
        assert alone.fused_embedding == pytest.approx(together.fused_embedding, abs=1e-4)
        assert alone.valence == pytest.approx(together.valence, abs=1e-4)
        assert list(alone.emotions.values()) == pytest.approx(
            list(together.emotions.values()), abs=1e-4
        )
        for one, other in zip(alone.timeline, together.timeline, strict=True):
            assert one.arousal == pytest.approx(other.arousal, abs=1e-4)


def test_songs_shared_out_are_predicted_as_in_one_batch(weights, songs, predictions):
    before = torch.get_num_threads()
    shared = EmotionPipeline.from_pretrained(weights).share_out(2)
    try:
        seen = []
        compute = shared._predict_batch
        shared._predict_batch = lambda part: seen.append(len(part)) or compute(part)
        found = shared.predict(songs)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert len(seen) == 2
    assert sum(seen) == len(songs)
    for one, expected in zip(found, predictions, strict=True):
        assert one.valence == pytest.approx(expected.valence, abs=1e-4)
        assert one.fused_embedding == pytest.approx(expected.fused_embedding, abs=1e-4)
    assert shared.predict_prepared([]) == []


def test_predictions_repeat_to_the_bit(pipeline, songs, predictions):
    again = pipeline.predict(songs)
    for one, other in zip(again, predictions, strict=True):
        assert one.fused_embedding.tobytes() == other.fused_embedding.tobytes()
        assert one.timeline == other.timeline


def test_batches_hold_rows_of_like_length_and_change_only_rounding(
    pipeline, songs, predictions, monkeypatch
):
    monkeypatch.setattr(pipeline_module, "_BATCH_ROWS", 3)  # so that rows of a song are parted
    kept = pipeline_module.like_lengths
    seen = []

    def watched(lengths, most):
        seen.append(kept(lengths, most))
        for batch in seen[-1]:
            sizes = [lengths[row] for row in batch]
            assert max(sizes) <= 2 * min(sizes)
        return seen[-1]

    monkeypatch.setattr(pipeline_module, "like_lengths", watched)
    prepared = [pipeline.prepare(song) for song in songs]
    found = pipeline.predict_prepared(prepared)
    order = [row for batch in seen[0] for row in batch]
    assert order != sorted(order) == list(range(len(order)))
    assert max(map(len, seen[0])) == 3
    for one, expected in zip(found, predictions, strict=True):
        assert one.valence == pytest.approx(expected.valence, abs=1e-5)
        assert one.fused_embedding == pytest.approx(expected.fused_embedding, abs=1e-4)
        times = [(point.start_seconds, point.valence) for point in one.timeline]
        assert times == [
            (point.start_seconds, pytest.approx(point.valence, abs=1e-5))
            for point in expected.timeline
        ]


def test_each_modality_changes_the_embedding(pipeline, songs):
    whole = songs[0]
    parts = [
        whole,
        dataclasses.replace(whole, lyrics="Dance all night"),
        dataclasses.replace(whole, title="Sorrow"),
        dataclasses.replace(whole, path=songs[1].path),
    ]
    embeddings = [prediction.fused_embedding for prediction in pipeline.predict(parts)]
    for other in embeddings[1:]:
        assert np.abs(embeddings[0] - other).max() > 1e-4


def test_a_sentence_goes_through_the_same_network(pipeline):
    by_text = pipeline.predict_text("Dance all night")
    (by_song,) = pipeline.predict([SongInput(lyrics="Dance all night")])
    assert by_text.fused_embedding == pytest.approx(by_song.fused_embedding, abs=1e-6)
    assert by_text.gates == {"audio": 0.0, "lyrics": 1.0, "context": 0.0}


def test_words_that_are_headings_in_lyrics_count_as_text(pipeline):
    assert pipeline.predict_text("instrumental").gates["lyrics"] == 1


def test_reading_text_never_loads_the_audio_encoder(weights):
    pipeline = EmotionPipeline.from_pretrained(weights)
    pipeline.predict_text("calm")
    assert not pipeline.encoder.audio_encoders
    assert "text_encoder" in vars(pipeline.encoder)


def test_patches_without_descriptors_are_refused(pipeline, songs):
    prepared = dataclasses.replace(pipeline.prepare(songs[1]), descriptors=None)
    with pytest.raises(InputError, match="without descriptors"):
        pipeline.predict_prepared([prepared])


def test_nothing_gives_nothing(pipeline):
    assert pipeline.predict([]) == []


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_blank_text_is_refused(pipeline, text):
    with pytest.raises(InputError, match="blank"):
        pipeline.predict_text(text)


@pytest.mark.parametrize("song", [SongInput(), SongInput(lyrics="[Chorus]", title=" ")])
def test_an_empty_song_is_refused(pipeline, song):
    with pytest.raises(InputError, match="the song is empty"):
        pipeline.prepare(song)


def test_endless_lyrics_are_refused(pipeline):
    endless = "la " * MAX_LYRICS_BYTES
    with pytest.raises(LyricsError):
        pipeline.prepare(SongInput(lyrics=endless))
    with pytest.raises(LyricsError):
        pipeline.predict_text(endless)


def test_a_bad_file_is_named_by_its_own_error(pipeline, folder):
    broken = folder / "broken.wav"
    broken.write_bytes(b"no audio here" * 100)
    with pytest.raises(AudioDecodeError, match=r"broken\.wav"):
        pipeline.predict([SongInput(broken)])
    with pytest.raises(AudioSilentError):
        pipeline.prepare(SongInput(write_tone(folder / "still.wav", 5, 300, level=0)))


def test_weights_of_another_network_are_refused(folder):
    state = AffettiNetwork(AffettiConfig(text_width=64)).state_dict()
    config = dataclasses.asdict(AffettiConfig())
    with pytest.raises(CheckpointCorruptError, match="not of this network"):
        EmotionPipeline.from_pretrained(checkpoint.save(state, config, {}, folder, "other"))
    with pytest.raises(CheckpointCorruptError, match="not of this network"):
        EmotionPipeline.from_pretrained(checkpoint.save(state, {"depth": 3}, {}, folder, "deep"))


@pytest.fixture(scope="module")
def corrected(folder):
    path = save_untrained(folder / "corrected", adapter=some_corrections())
    return EmotionPipeline.from_pretrained(path)


def test_texts_are_read_with_the_checkpoints_corrections(corrected, pipeline):
    prepared = pipeline.prepare(SongInput(lyrics=LYRICS, title="Tune"))
    plain, adapted = (one._encode([prepared])[0] for one in (pipeline, corrected))
    encoder = TextEncoder.from_pretrained().adapt(some_corrections()).quicken()
    for text, before, after in (
        (prepared.lyrics, plain.lyrics, adapted.lyrics),
        (prepared.context, plain.context, adapted.context),
    ):
        assert (after - before).abs().max() > 0.01
        assert torch.allclose(after, encoder.encode([text]).states[0], atol=1e-5)


def test_corrections_change_texts_and_not_audio(corrected, pipeline, songs, predictions):
    for song, before, after in zip(songs, predictions, corrected.predict(songs), strict=True):
        difference = np.abs(after.fused_embedding - before.fused_embedding).max()
        is_audio_alone = song.lyrics is song.title is song.artist is None
        assert difference < 1e-6 if is_audio_alone else difference > 1e-4
    assert after.model_version != before.model_version


def test_corrections_are_added_once(corrected):
    first, again = (corrected.predict_text("Dance all night") for _ in range(2))
    assert first.fused_embedding.tobytes() == again.fused_embedding.tobytes()


def test_a_checkpoint_without_corrections_reads_with_the_plain_encoder(pipeline):
    (features,) = pipeline._encode([pipeline.prepare(SongInput(lyrics="Dance all night"))])
    states = TextEncoder.from_pretrained().quicken().encode(["Dance all night"]).states[0]
    assert torch.allclose(features.lyrics, states, atol=1e-5)


def test_corrections_of_another_text_encoder_are_refused(folder):
    path = save_untrained(folder / "foreign", adapter=some_corrections(layer=11))
    with pytest.raises(CheckpointCorruptError, match="not of this text encoder"):
        EmotionPipeline.from_pretrained(path).predict_text("Dance all night")


def test_an_unknown_name_or_device_is_refused(weights):
    with pytest.raises(CheckpointError, match="nobody"):
        EmotionPipeline.from_pretrained("nobody")
    with pytest.raises(InputError, match="tpu"):
        EmotionPipeline.from_pretrained(weights, device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA"):
            EmotionPipeline.from_pretrained(weights, device="cuda")


@pytest.mark.parametrize("language", VERSES)
def test_lyrics_in_another_language_are_no_input(pipeline, language):
    lyrics = "\n\n".join(VERSES[language])
    prepared = pipeline.prepare(SongInput(lyrics=lyrics, title="Tune", artist="Ada"))
    assert prepared.are_lyrics_withheld
    told = {"lyrics_language": None, "are_lyrics_withheld": False}
    without = pipeline.prepare(SongInput(title="Tune", artist="Ada"))
    assert dataclasses.replace(prepared, **told) == without


def test_lyrics_in_another_language_change_nothing(pipeline, songs):
    song = dataclasses.replace(songs[0], lyrics="\n\n".join(VERSES["de"]))
    (found,) = pipeline.predict([song])
    (plain,) = pipeline.predict([dataclasses.replace(song, lyrics=None)])
    assert (found.lyrics_language, found.are_lyrics_withheld) == ("de", True)
    assert found.gates["lyrics"] == 0.0
    assert found.fused_embedding.tobytes() == plain.fused_embedding.tobytes()
    told = {"lyrics_language": None, "are_lyrics_withheld": False, "fused_embedding": None}
    assert dataclasses.replace(found, **told) == dataclasses.replace(plain, fused_embedding=None)


def test_lyric_lines_keep_their_numbers_when_others_are_withheld(pipeline):
    german = VERSES["de"][0]
    start = "The night is long and I am far from home\nCome back to me my one and only love"
    end = "Never let me go again\nThe rain is falling on my window"
    (mixed,) = pipeline.predict([SongInput(lyrics=f"{start}\n{german}\n{end}")])
    (plain,) = pipeline.predict([SongInput(lyrics=f"{start}\n{end}")])
    places = {0: 0, 1: 1, 2: 6, 3: 7}
    assert {line.line for line in plain.lyric_lines} & {2, 3}
    assert mixed.lyric_lines == tuple(
        dataclasses.replace(line, line=places[line.line]) for line in plain.lyric_lines
    )
    assert mixed.valence == plain.valence
    assert mixed.are_lyrics_withheld


def test_nothing_but_lyrics_in_another_language_is_an_error(pipeline):
    with pytest.raises(LyricsError, match="Lyrics in German were not used"):
        pipeline.prepare(SongInput(lyrics="\n".join(VERSES["de"])))


class FullNetwork(AffettiNetwork):
    """Also gives what the packaged checkpoint may lack, made of valence and arousal."""

    def forward(self, batch):
        output = super().forward(batch)
        valence, arousal = output.affect.unbind(dim=1)
        return output._replace(
            felt=torch.stack([valence] * 8 + [arousal], dim=1),
            kinds=torch.stack([valence, 1 - valence], dim=1),
            novelty=arousal[:, None],
            intervals=torch.stack([valence / 2, valence, arousal / 2, arousal], dim=1),
        )


def test_what_only_some_checkpoints_predict_is_the_whole_songs(songs):
    network = FullNetwork(AffettiConfig(kinds=("solo piano", "band"), kind_temperatures=(1.0, 1.0)))
    pipeline = EmotionPipeline(network, "affetti-full", torch.device("cpu"))
    predictions = pipeline.predict(songs)
    for song, prediction in zip(songs, predictions, strict=True):
        valence, arousal = prediction.valence, prediction.arousal
        assert prediction.felt == dict.fromkeys(GEMS, valence) | {"sadness": arousal}
        assert prediction.valence_interval == pytest.approx((valence / 2, valence))
        assert prediction.arousal_interval == pytest.approx((arousal / 2, arousal))
        if song.path is None:
            assert (prediction.kinds, prediction.novelty) == ({}, None)
        else:
            assert prediction.kinds == pytest.approx({"solo piano": valence, "band": 1 - valence})
            assert prediction.novelty == arousal


def test_kinds_and_novelty_are_of_the_audio_alone(songs, predictions):
    for song, prediction in zip(songs, predictions, strict=True):
        assert list(prediction.felt) == list(GEMS)
        for low, high, place in (
            (*prediction.valence_interval, prediction.valence),
            (*prediction.arousal_interval, prediction.arousal),
        ):
            assert 0 <= low <= place <= high <= 1
        if song.path is None:
            assert (prediction.kinds, prediction.novelty) == ({}, None)
        else:
            assert sum(prediction.kinds.values()) == pytest.approx(1)
            assert 0 <= prediction.novelty <= 1


@pytest.mark.parametrize(
    ("novelty", "is_unfamiliar"),
    [(None, False), (UNFAMILIAR_FROM - 0.01, False), (UNFAMILIAR_FROM, True), (1.0, True)],
)
def test_music_is_unfamiliar_from_a_threshold_on(predictions, novelty, is_unfamiliar):
    assert dataclasses.replace(predictions[0], novelty=novelty).is_unfamiliar is is_unfamiliar


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_predicts_as_the_cpu_does(weights, songs, predictions):
    pipeline = EmotionPipeline.from_pretrained(weights, device="cuda")
    for one, other in zip(pipeline.predict(songs), predictions, strict=True):
        assert one.fused_embedding == pytest.approx(other.fused_embedding, abs=2e-3)
        assert one.valence == pytest.approx(other.valence, abs=2e-3)
