"""Songs are encoded in one place: blocks of columns in their order, texts in theirs."""

from __future__ import annotations

import pytest
import torch

from mer import encoding
from mer.audio.descriptors import describe
from mer.audio.patches import song_patches
from mer.encoding import AUDIO_BLOCKS, SongEncoder, encode_texts, joined
from tests.mer.untrained import write_tone

TEXTS = ["a long line of many words about rain", "sun", "two words"]


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    tones = [write_tone(folder / "a.wav", 7, 300), write_tone(folder / "b.wav", 4, 900)]
    return [song_patches(tone) for tone in tones]


def test_a_row_holds_the_network_and_the_descriptors_in_order(songs, musicnn):
    rows = SongEncoder().audio(songs, [describe(song.segments) for song in songs])
    for song, row in zip(songs, rows, strict=True):
        assert row.shape == (len(song.log_mel), 1825)
        log_mel = torch.from_numpy(song.log_mel)
        assert torch.equal(row[:, :1756], musicnn.embed(log_mel))
        assert torch.equal(row[:, 1756:], torch.from_numpy(describe(song.segments)))


def test_blocks_by_name_join_to_the_same_rows(songs):
    encoder = SongEncoder()
    rows = encoder.audio(songs, [describe(song.segments) for song in songs])
    blocks = {name: encoder.audio_block(name, songs) for name in reversed(AUDIO_BLOCKS)}
    for place, row in enumerate(rows):
        assert torch.equal(row, joined({name: part[place] for name, part in blocks.items()}))


def test_texts_keep_their_order_and_lose_their_padding(monkeypatch, minilm):
    monkeypatch.setattr(encoding, "_BATCH_TEXTS", 2)
    for text, found in zip(TEXTS, encode_texts(minilm, TEXTS), strict=True):
        alone = minilm.encode([text])
        torch.testing.assert_close(found.states, alone.states[0], rtol=0, atol=1e-5)
        assert torch.equal(found.offsets, alone.offsets[0])


def test_nothing_loads_no_encoder():
    encoder = SongEncoder()
    assert encoder.texts([]) == []
    assert encoder.audio([], []) == []
    assert not encoder.audio_encoders
    assert "text_encoder" not in vars(encoder)
