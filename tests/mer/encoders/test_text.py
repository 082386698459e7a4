"""BERT and DeBERTa by name, on tiny random models written here; nothing is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    DebertaV2Config,
    DebertaV2Model,
    DebertaV2Tokenizer,
)

from mer.encoders.text import TextEncoder
from mer.errors import CheckpointCorruptError, EncoderMissingError

if TYPE_CHECKING:
    from pathlib import Path

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("hold", "on", "to", "me", "love", "rain", "falls", "and", "the", "night", "is", "long")
TEXTS = ["hold on", "the night is long and the rain falls on me", "love to me on the rain"]
FAMILIES = ("bert", "deberta")


def write_tokenizer(folder: Path, family: str) -> None:
    """Word pieces for BERT, SentencePiece's unigrams for DeBERTa, as their real folders hold."""
    if family == "bert":
        pieces = (*SPECIAL, *WORDS)
        BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}).save_pretrained(folder)
    else:
        words = [(f"▁{word}", -1.0) for word in WORDS]
        vocabulary = [*((token, 0.0) for token in SPECIAL), *words]
        DebertaV2Tokenizer(vocab=vocabulary).save_pretrained(folder)


def write_encoder(folder: Path, family: str) -> Path:
    """Folder of a tiny random encoder."""
    write_tokenizer(folder, family)
    size: dict[str, Any] = {
        "vocab_size": 64,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "initializer_range": 0.5,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if family == "bert":
            BertModel(BertConfig(**size)).save_pretrained(folder)
        else:  # the attention of deberta-v3-base
            size |= {
                "relative_attention": True,
                "position_buckets": 8,
                "norm_rel_ebd": "layer_norm",
                "share_att_key": True,
                "pos_att_type": ["p2c", "c2p"],
                "position_biased_input": False,
                "type_vocab_size": 0,
            }
            DebertaV2Model(DebertaV2Config(**size)).save_pretrained(folder)
    return folder


def to_cache(cache: Path, name: str, encoder: Path) -> None:
    """Put an encoder where `hf download` would."""
    commit = "0" * 40
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(commit)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / commit).symlink_to(encoder, target_is_directory=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a Hugging Face cache that is empty, whatever this machine's own holds."""
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write_encoder(tmp_path_factory.mktemp(name), name) for name in FAMILIES}


@pytest.fixture(scope="module")
def encoders(folders: dict[str, Path]) -> dict[str, TextEncoder]:
    return {name: TextEncoder.from_pretrained(str(folder)) for name, folder in folders.items()}


@pytest.mark.parametrize("family", FAMILIES)
class TestFamilies:
    def test_token_states_have_a_row_a_token(
        self, encoders: dict[str, TextEncoder], family: str
    ) -> None:
        tokens = encoders[family].encode(TEXTS)
        assert encoders[family].embedding_dim == 16
        assert tokens.states.shape == (3, 12, 16)
        assert tokens.states.dtype == torch.float32
        assert tokens.mask.sum(dim=1).tolist() == [4, 12, 8]
        assert tokens.states.isfinite().all()
        assert not torch.allclose(tokens.states[0, 1], tokens.states[0, 2], atol=0.01)

    def test_offsets_spell_the_words(self, encoders: dict[str, TextEncoder], family: str) -> None:
        offsets = encoders[family].encode(["hold on"]).offsets[0].tolist()
        spelled = ["hold on"[first:last].strip() for first, last in offsets]
        assert spelled == ["", "hold", "on", ""]

    def test_order_of_words_matters(self, encoders: dict[str, TextEncoder], family: str) -> None:
        one, other = (encoders[family].encode([text]).states for text in ("hold on", "on hold"))
        assert not torch.allclose(one[0, 0], other[0, 0], atol=0.001)

    def test_a_text_alone_equals_the_text_among_longer_ones(
        self, encoders: dict[str, TextEncoder], family: str
    ) -> None:
        together = encoders[family].encode(TEXTS)
        for index, text in enumerate(TEXTS):
            alone = encoders[family].encode([text])
            length = alone.states.shape[1]
            assert alone.mask.all()
            assert together.mask[index].tolist() == [step < length for step in range(12)]
            torch.testing.assert_close(
                together.states[index, :length], alone.states[0], rtol=0, atol=1e-5
            )

    def test_long_and_empty_texts(self, encoders: dict[str, TextEncoder], family: str) -> None:
        tokens = encoders[family].encode(["love " * 400, ""], max_tokens=20)
        assert tokens.mask.sum(dim=1).tolist() == [20, 2]

    def test_is_frozen(self, encoders: dict[str, TextEncoder], family: str) -> None:
        assert not encoders[family].encode(TEXTS).states.requires_grad


@pytest.mark.parametrize(
    ("family", "name", "cached_as"),
    [
        ("bert", "bert-base-uncased", "bert-base-uncased"),
        ("bert", "bert-base-uncased", "google-bert/bert-base-uncased"),
        ("deberta", "microsoft/deberta-v3-base", "microsoft/deberta-v3-base"),
    ],
)
def test_a_name_is_found_in_the_cache(
    cache: Path,
    folders: dict[str, Path],
    encoders: dict[str, TextEncoder],
    family: str,
    name: str,
    cached_as: str,
) -> None:
    to_cache(cache, cached_as, folders[family])
    found = TextEncoder.from_pretrained(name).encode(TEXTS).states
    torch.testing.assert_close(found, encoders[family].encode(TEXTS).states, rtol=0, atol=0)


@pytest.mark.parametrize(
    "name",
    ["bert-base-uncased", "microsoft/deberta-v3-base", "/no/such/folder", "a/b/c", "..", "x" * 99],
)
def test_what_is_not_on_disk_is_not_fetched(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        pytest.fail("the network was asked")

    monkeypatch.setattr("socket.socket.connect", connect)
    with pytest.raises(EncoderMissingError, match="is not on this disk") as caught:
        TextEncoder.from_pretrained(name)
    assert repr(name) in str(caught.value)


def test_a_cache_without_the_configuration_counts_as_absent(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "partial").mkdir()
    to_cache(cache, "bert-base-uncased", tmp_path / "partial")
    with pytest.raises(EncoderMissingError, match="hf download bert-base-uncased"):
        TextEncoder.from_pretrained("bert-base-uncased")


def test_a_cached_encoder_without_weights_is_damaged(cache: Path, tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder", "bert")
    (folder / "model.safetensors").unlink()
    to_cache(cache, "bert-base-uncased", folder)
    with pytest.raises(CheckpointCorruptError, match="not a whole Hugging Face encoder"):
        TextEncoder.from_pretrained("bert-base-uncased")


def test_a_sentencepiece_model_alone_names_the_package_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_encoder(tmp_path / "encoder", "deberta")
    (folder / "tokenizer.json").rename(folder / "spm.model")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EncoderMissingError, match="pip install sentencepiece protobuf"):
        TextEncoder.from_pretrained(str(folder))
