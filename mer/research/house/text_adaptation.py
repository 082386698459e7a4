"""Adaptation of the text encoder to emotion, before the house network is trained.

Low-rank corrections of the frozen encoder's upper layers [Hu et al. 2022,
`mer.encoders.low_rank`] and a small head are trained on rated words and sentences alone: Warriner's
norms, EmoBank, comments of GoEmotions and verses. No text is about a song, so that one adapter
serves all folds and all tests of songs. The head is dropped. The house network
(`mer.research.house.trainer`) is trained on the token states of the corrected encoder.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from mer.affect import EMOTIONS
from mer.encoders.text import TextEncoder
from mer.files import written_aside
from mer.research.house.low_rank import corrections, make_trainable
from mer.research.house.mixture import TASKS, Targets, targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mer.research.datasets.base import Track
    from mer.research.house.mixture import Plane

_MAX_TOKENS: Final = 96
_BLOCK: Final = 16
"""Number of batches whose texts are sorted by length together, to reduce padding."""
_WARM_UP: Final = 100
_HIDDEN: Final = 256
_HEAD_DROPOUT: Final = 0.2
_WEIGHTS: Final = {  # of valence, arousal and emotions
    "warriner": (1.0, 1.0, 0.0),
    "emobank": (1.0, 1.0, 0.0),
    "goemotions": (0.5, 0.5, 0.3),
    "poem_sentiment": (0.5, 0.0, 0.0),
}
ADAPTER_SETS: Final = tuple(_WEIGHTS)
_AFFECT_LOSS_SCALE: Final = 8.0
_TASKS: Final = tuple(TASKS.index(name) for name in ("valence", "arousal", "emotions"))


@dataclass(frozen=True, slots=True)
class AdapterRecipe:
    """How an adapter is trained.

    Parameters
    ----------
    seed, epochs : int
    rank : int
        Of each correction.
    first_layer : int
        First corrected layer.
    batch_texts : int
    learning_rate, head_rate, weight_decay : float
        Of AdamW, with a warm-up and a cosine to zero.
    """

    seed: int = 0
    epochs: int = 5
    rank: int = 16
    first_layer: int = 2
    batch_texts: int = 128
    learning_rate: float = 1e-3
    head_rate: float = 2e-3
    weight_decay: float = 0.05


class AdapterTrainer:
    """Trains corrections of the text encoder and the head that is dropped.

    Parameters
    ----------
    recipe : AdapterRecipe
    encoder : TextEncoder
        Its network is changed.
    texts : sequence of Track
        Of `ADAPTER_SETS`, with labels.
    plane : Plane
    """

    def __init__(
        self, recipe: AdapterRecipe, encoder: TextEncoder, texts: Sequence[Track], plane: Plane
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network = encoder.network
        self._tokens = encoder.tokenize([text.lyrics or "" for text in texts], _MAX_TOKENS)
        self._targets = targets(texts, plane)
        known = self._targets.weights[:, _TASKS] > 0
        self._weights = known * torch.tensor([_WEIGHTS[text.dataset] for text in texts])
        self.network.requires_grad_(requires_grad=False).to(_precision())
        layers = list(self.network.get_submodule("encoder.layer").children())
        for layer in layers[recipe.first_layer :]:
            make_trainable(layer, recipe.rank)
        self.head = nn.Sequential(
            nn.Dropout(_HEAD_DROPOUT),
            nn.Linear(encoder.embedding_dim, _HIDDEN),
            nn.GELU(),
            nn.Dropout(_HEAD_DROPOUT),
            nn.Linear(_HIDDEN, 2 + len(EMOTIONS)),
        )
        adapter = [p for p in self.network.parameters() if p.requires_grad]
        self.parameters = [*adapter, *self.head.parameters()]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": adapter, "peak": recipe.learning_rate},
                {"params": list(self.head.parameters()), "peak": recipe.head_rate},
            ],
            weight_decay=recipe.weight_decay,
        )

    def train(self) -> dict[str, Tensor]:
        """Train to the last epoch.

        Returns
        -------
        dict of str to float32 Tensor
            Corrections, as `TextEncoder.adapt` takes them.
        """
        steps = [batch for _ in range(self.recipe.epochs) for batch in self._batches()]
        self.network.train()
        self.head.train()
        bar = tqdm(steps, desc="adapting", unit="step")
        for step, chosen in enumerate(bar):
            rate = min(1.0, step / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / len(steps)))
            for group in self.optimizer.param_groups:
                group["lr"] = group["peak"] * rate
            error = self._error(chosen)
            self.optimizer.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            bar.set_postfix(loss=f"{error.item():.3f}", refresh=False)
        return {name: part.clone() for name, part in corrections(self.network).items()}

    def _batches(self) -> Iterator[Tensor]:
        """Every text once, in batches of similar lengths and a random order."""
        size = self.recipe.batch_texts
        batches: list[Tensor] = []
        for block in torch.split(torch.randperm(len(self._tokens)), _BLOCK * size):
            by_length = sorted(block.tolist(), key=lambda text: len(self._tokens[text]))
            batches += torch.split(torch.tensor(by_length), size)
        return (batches[place] for place in torch.randperm(len(batches)).tolist())

    def _error(self, chosen: Tensor) -> Tensor:
        """Mean over texts of the weighted losses."""
        predicted = self.head(self._read([self._tokens[text] for text in chosen.tolist()]))
        target = Targets(*(part[chosen] for part in self._targets))
        squared = _AFFECT_LOSS_SCALE * (torch.sigmoid(predicted[:, :2]) - target.affect) ** 2
        log_probabilities = F.log_softmax(predicted[:, 2:], dim=-1)
        emotions = -(target.emotions * log_probabilities).sum(dim=-1, keepdim=True)
        errors = torch.cat([squared, emotions], dim=1)
        return (errors * self._weights[chosen]).sum(dim=1).mean()

    def _read(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Mean state of the tokens of each text, (texts, width)."""
        ids = nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)
        lengths = torch.tensor([len(text) for text in texts]).unsqueeze(1)
        mask = torch.arange(ids.shape[1]) < lengths
        states = self.network(input_ids=ids, attention_mask=mask.long()).last_hidden_state.float()
        return cast("Tensor", (states * mask.unsqueeze(-1)).sum(dim=1) / lengths)


def _precision() -> torch.dtype:
    """bfloat16 if the processor has instructions for it, which halves the time."""
    capabilities = torch.cpu.get_capabilities()
    fast = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    return torch.bfloat16 if fast else torch.float32


def adapter(
    tracks: Sequence[Track], plane: Plane, folder: Path, recipe: AdapterRecipe | None = None
) -> dict[str, Tensor]:
    """Train an adapter on the training texts among `tracks`, or read it from `folder`.

    Parameters
    ----------
    tracks : sequence of Track
    plane : Plane
    folder : Path
        Folder of adapters; file names contain a digest of recipe and texts.
    recipe : AdapterRecipe or None
        None for the default.

    Returns
    -------
    dict of str to float32 Tensor
    """
    recipe = recipe or AdapterRecipe()
    texts = [t for t in tracks if t.dataset in ADAPTER_SETS and t.split == "train"]
    losses = (_WEIGHTS, _AFFECT_LOSS_SCALE, _HIDDEN, _HEAD_DROPOUT, _MAX_TOKENS)
    known = [(text.dataset, text.track_id, text.lyrics, text.labels) for text in texts]
    parts = (recipe, plane, losses, known)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
    path = folder / f"text-adapter-{digest}.safetensors"
    if not path.is_file():
        trained = AdapterTrainer(recipe, TextEncoder.from_pretrained(), texts, plane).train()
        folder.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as part:
            save_file(trained, part)
    return load_file(path)
