"""Resumable and reproducible training of one architecture on one target.

A killed training resumes at its last epoch, and a finished one is read. All random numbers of an
epoch depend on the run's seed and the epoch's number, so that a resumed run gives the same network
as an uninterrupted one. Mixed precision and several devices use accelerate
(``accelerate launch -m mer.research train …``).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from tqdm import tqdm

from mer.errors import CheckpointCorruptError, CheckpointVersionError, InputError
from mer.files import written_aside
from mer.metrics import ccc, macro_f1
from mer.research.architectures.base import architecture
from mer.research.harness.devices import accelerator
from mer.research.harness.examples import (
    CLEAN,
    MODALITIES,
    Batcher,
    build_options,
    mel_moments,
    share_of,
    tracks,
    withhold,
)
from mer.research.harness.labels import CLASS_NAMES, Labeller
from mer.research.harness.losses import loss
from mer.research.harness.predictions import Predictions, concatenated, mean_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from accelerate import Accelerator
    from torch import Tensor, nn

    from mer.research.architectures.base import Architecture, FrontEndKind, Size, TrainingDefaults
    from mer.research.harness.examples import Condition, Example, Material

FORMAT_VERSION: Final = 1
SMALL_EPOCHS: Final = 8
SMALL_BATCH: Final = 8
SMALL_RATE: Final = 1e-3
_PREDICT_BATCH: Final = 32
_SCORED_WINDOWS: Final = 3  # of a validation clip, after every epoch


@dataclass(frozen=True, slots=True)
class Run:
    """Settings that determine a trained network, together with the data.

    Parameters
    ----------
    model : str
        Name of an architecture.
    dataset, target : str
        Data set, and target of `mer.research.harness.labels.CLASS_NAMES`.
    seed : int
    variant : str
    front_end : {'own', 'musicnn'}
    size : {'paper', 'small'}
    modalities : tuple of str
        Input modalities in training and test.
    epochs : int or None
        The architecture's own number by default.
    label_rate : float in (0, 1]
        Share of the training songs; a larger share includes a smaller one.
    modality_dropout : float in [0, 1)
        Probability of withholding each modality of a training song, never the last one.
    affect_weight : float or None
        Of ``1 - CCC`` of valence and arousal; the architecture's own by default.
    """

    model: str
    dataset: str = "panda4q"
    target: str = "quadrant"
    seed: int = 0
    variant: str = "full"
    front_end: FrontEndKind = "own"
    size: Size = "small"
    modalities: tuple[str, ...] = MODALITIES
    epochs: int | None = None
    label_rate: float = 1.0
    modality_dropout: float = 0.2
    affect_weight: float | None = None

    @property
    def architecture(self) -> Architecture:
        """Registry entry of the architecture.

        Raises
        ------
        InputError
            If the model, its variant or its front end is unknown.
        """
        entry = architecture(self.model)
        if self.variant not in entry.variants:
            raise InputError(
                f"{self.model} has no variant {self.variant!r}; it has {', '.join(entry.variants)}"
            )
        if self.front_end not in entry.inputs:
            raise InputError(
                f"{self.model} has no front end {self.front_end!r}; it has "
                f"{', '.join(entry.inputs)}"
            )
        return entry

    @property
    def read(self) -> tuple[str, ...]:
        """Modalities of this run that are inputs of the network."""
        entry = self.architecture
        reads = entry.variant_modalities.get(self.variant, entry.modalities)
        return tuple(name for name in self.modalities if name in reads)

    @property
    def training(self) -> TrainingDefaults:
        """Training settings of the architecture, with those of this run.

        Small networks on spectrograms have at most `SMALL_EPOCHS` epochs of many steps, because
        these are slow, and a learning rate of at least `SMALL_RATE`, because the papers' rates are
        for larger networks.
        """
        entry = self.architecture
        defaults = entry.training[self.front_end]
        if self.size == "small" and entry.inputs[self.front_end] & {"log_mel", "waveform"}:
            defaults = replace(
                defaults,
                learning_rate=max(defaults.learning_rate, SMALL_RATE),
                epochs=min(defaults.epochs, SMALL_EPOCHS),
                batch_songs=min(defaults.batch_songs, SMALL_BATCH),
            )
        if self.epochs is not None:
            defaults = replace(defaults, epochs=self.epochs)
        if self.affect_weight is not None:
            defaults = replace(defaults, affect_weight=self.affect_weight)
        return defaults


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network with its batches and labels.

    Parameters
    ----------
    run : Run
    network : Module
        In evaluation mode, on `device`.
    batcher : Batcher
    labeller : Labeller
    history : tuple of dict
        One per epoch: ``epoch``, ``loss``, ``score`` on validation songs.
    seconds : float
        Training time of all sessions.
    device : torch.device
    """

    run: Run
    network: nn.Module
    batcher: Batcher
    labeller: Labeller
    history: tuple[dict[str, float], ...]
    seconds: float
    device: torch.device

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(p.numel() for p in self.network.parameters() if p.requires_grad)

    def predict(
        self,
        examples: Sequence[Example],
        condition: Condition = CLEAN,
        most_windows: int | None = None,
    ) -> Predictions:
        """Predict songs; the windows of a clip are averaged.

        Parameters
        ----------
        examples : sequence of Example
        condition : Condition
        most_windows : int or None
            Upper limit of the number of windows.

        Returns
        -------
        Predictions
        """
        windows = min(self.batcher.windows, most_windows or self.batcher.windows)
        places = [0.5] if windows == 1 else [i / (windows - 1) for i in range(windows)]
        examples = condition.shuffled(examples)
        condition = replace(condition, shuffle=())
        parts = []
        for first in range(0, len(examples), _PREDICT_BATCH):
            part = examples[first : first + _PREDICT_BATCH]
            parts.append(
                mean_of([self._predict_window(part, place, condition) for place in places])
            )
        return concatenated(parts)

    def _predict_window(
        self, part: Sequence[Example], place: float, condition: Condition
    ) -> Predictions:
        present = self.batcher.present(part, condition)
        batch = self.batcher.batch(part, present, [place] * len(part), condition)
        with torch.no_grad():
            output = self.network(_on(batch, self.device))
        return Predictions.of(output)


def _on(batch: Any, device: torch.device) -> Any:
    return batch._replace(
        **{
            name: value.to(device)
            for name, value in batch._asdict().items()
            if isinstance(value, torch.Tensor)
        }
    )


def fit(
    run: Run,
    material: Material,
    folder: Path | None = None,
    *,
    train: Sequence[Example] | None = None,
    device: Accelerator | None = None,
    progress: bool = True,
) -> Trained:
    """Train a network, or read it if it is trained already.

    Parameters
    ----------
    run : Run
    material : Material
    folder : Path or None
        For the state and the history (one JSON object per epoch); None keeps neither.
    train : sequence of Example or None
        Replaces the training split.
    device : Accelerator or None
        `accelerator()` by default.
    progress : bool
        Show a bar.

    Returns
    -------
    Trained
        With the weights of the epoch with the best score on the validation songs.

    Raises
    ------
    InputError
        If a name in the run is unknown, or no training song is labelled.
    """
    return _Fitting(run, material, folder, train, device or accelerator()).train(progress=progress)


class _Fitting:
    """State of one training."""

    def __init__(
        self,
        run: Run,
        material: Material,
        folder: Path | None,
        train: Sequence[Example] | None,
        device: Accelerator,
    ) -> None:
        self.run, self.device = run, device
        entry = run.architecture
        pool = list(material.songs(run.dataset, "train") if train is None else train)
        self.labeller = Labeller.fit(run.target, tracks(pool))
        self.songs = self._labelled(share_of(pool, run.label_rate))
        if not self.songs:
            raise InputError(f"no training song of {run.dataset} is labelled with {run.target}")
        self.validation = self._labelled(material.songs(run.dataset, "val"))
        name = _name(run, self.songs, device.mixed_precision)
        self.path = None if folder is None else folder / f"{name}.pt"
        self.batcher = self._batcher(material)
        classes = len(CLASS_NAMES[run.target])
        torch.manual_seed(run.seed)
        built = entry.build(
            build_options(self.songs, classes, run.size, run.front_end, run.variant, run.seed)
        )
        settings = run.training
        self.optimizer = torch.optim.AdamW(
            built.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.network, self.optimizer = device.prepare(built, self.optimizer)
        self.best: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self._resume()

    def _batcher(self, material: Material) -> Batcher:
        """Batches of the architecture; log-mels are standardised by the training songs."""
        run, entry = self.run, self.run.architecture
        moments = (0.0, 1.0)
        if entry.mel_preset and entry.inputs[run.front_end] & {"log_mel", "waveform"}:
            moments = mel_moments(material.sounds, self.songs, entry.mel_preset)
        return Batcher(entry, run.front_end, run.size, material.sounds, moments, run.read)

    def _labelled(self, examples: Sequence[Example]) -> list[Example]:
        """Songs with a label and at least one input modality."""
        labels = self.labeller.labels(tracks(examples))
        known = ~labels.affect.isnan().any(dim=1) if self.run.target == "va" else labels.known
        return [
            example
            for example, is_known in zip(examples, known.tolist(), strict=True)
            if is_known
            and any(getattr(example.features, name) is not None for name in self.run.read)
        ]

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or the score has not risen for too many epochs."""
        settings, epochs = self.run.training, len(self.history)
        if epochs == 0:
            return False
        best = int(np.argmax([epoch["score"] for epoch in self.history]))
        return epochs >= settings.epochs or epochs - 1 - best >= settings.patience

    def train(self, *, progress: bool) -> Trained:
        settings = self.run.training
        with tqdm(
            total=settings.epochs,
            initial=len(self.history),
            desc=f"{self.run.model} {self.run.dataset} {self.run.target} seed {self.run.seed}",
            unit="epoch",
            disable=not progress or self.finished,
            leave=False,
        ) as bar:
            while not self.finished:
                began = time.perf_counter()
                loss = self._train_epoch()
                score = self._score()
                if not self.history or score > max(e["score"] for e in self.history):
                    state = self._bare().state_dict()
                    self.best = {name: value.cpu().clone() for name, value in state.items()}
                self.seconds += time.perf_counter() - began
                self.history.append({"epoch": len(self.history), "loss": loss, "score": score})
                self._save()
                bar.update()
                bar.set_postfix(loss=f"{loss:.3f}", score=f"{score:.3f}")
        self._bare().load_state_dict(self.best)
        trained = self._trained()
        self.device.free_memory()  # it keeps a reference to every network and optimizer
        return trained

    def _trained(self) -> Trained:
        return Trained(
            self.run,
            self._bare().eval(),
            self.batcher,
            self.labeller,
            tuple(self.history),
            self.seconds,
            self.device.device,
        )

    def _bare(self) -> nn.Module:
        """Network without accelerate's wrapper."""
        network: nn.Module = self.device.unwrap_model(self.network)
        return network

    def _train_epoch(self) -> float:
        # The seed depends on the epoch, so that a resumed run equals an uninterrupted one.
        epoch, settings = len(self.history), self.run.training
        torch.manual_seed(self.run.seed * 100_003 + epoch + 1)
        self.network.train()
        order = torch.randperm(len(self.songs)).tolist()
        size = settings.batch_songs
        # Batch normalisation needs two songs: a smaller last batch is left out.
        batches = [order[i : i + size] for i in range(0, len(order), size)]
        fewest = 2 * self.device.num_processes
        batches = [batch for batch in batches if len(batch) >= fewest] or [order]
        losses = []
        for step, chosen in enumerate(batches):
            progress = (epoch + step / len(batches)) / settings.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
            mine = chosen[self.device.process_index :: self.device.num_processes]
            losses.append(self._step([self.songs[i] for i in mine]))
        return float(np.mean(losses))

    def _step(self, songs: Sequence[Example]) -> float:
        present = withhold(self.batcher.present(songs), self.run.modality_dropout)
        batch = self.batcher.batch(songs, present, torch.rand(len(songs)).tolist())
        labels = self.labeller.labels(tracks(songs))
        with self.device.autocast():
            output = self.network(_on(batch, self.device.device))
            error = loss(output, labels, self.run.training, self.run.target)
        self.optimizer.zero_grad()
        self.device.backward(error)
        self.device.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return float(error.detach())

    def _score(self) -> float:
        """Macro-F1 on the validation songs, or the mean CCC of valence and arousal."""
        if not self.validation:
            return float(len(self.history))  # without validation songs the last epoch is used
        self.network.eval()
        predictions = self._trained().predict(self.validation, most_windows=_SCORED_WINDOWS)
        labels = self.labeller.labels(tracks(self.validation))
        if self.run.target == "va":
            truth = labels.affect.double().numpy()
            return float(np.nanmean([ccc(truth[:, i], predictions.affect[:, i]) for i in range(2)]))
        return macro_f1(
            labels.hard.numpy(),
            predictions.probabilities.argmax(axis=1),
            predictions.probabilities.shape[1],
        )

    def _resume(self) -> None:
        if self.path is None or not self.path.is_file():
            return
        try:
            state = torch.load(self.path, weights_only=True, map_location=self.device.device)
            if state["format"] != FORMAT_VERSION:
                raise CheckpointVersionError(
                    f"{self.path} is of format {state['format']}; delete it to train anew"
                )
            self._bare().load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.best, self.history = state["best"], state["history"]
            self.seconds = state["seconds"]
        except (RuntimeError, ValueError, EOFError, KeyError, TypeError, UnpicklingError) as error:
            raise CheckpointCorruptError(
                f"{self.path} is damaged or of another network; delete it to train anew"
            ) from error

    def _save(self) -> None:
        if self.path is None or not self.device.is_main_process:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "format": FORMAT_VERSION,
            # A finished run is only read, so that its last weights and moments are not needed.
            "network": self.best if self.finished else self._bare().state_dict(),
            "optimizer": {"state": {}, "param_groups": self.optimizer.state_dict()["param_groups"]}
            if self.finished
            else self.optimizer.state_dict(),
            "best": self.best,
            "history": self.history,
            "seconds": self.seconds,
        }
        lines = "".join(json.dumps(epoch) + "\n" for epoch in self.history)
        with written_aside(self.path.with_suffix(".jsonl")) as part:
            part.write_text(lines, encoding="utf-8")
        with written_aside(self.path) as part:
            torch.save(state, part)


def _name(run: Run, songs: Sequence[Example], precision: str) -> str:
    """File name of a run, unique to its settings and songs."""
    parts = (
        FORMAT_VERSION,
        asdict(replace(run, modalities=run.read)),
        run.training,
        [(song.track.dataset, song.track.track_id) for song in songs],
        *([] if precision == "no" else [precision]),
    )
    label = f"{run.model}-{run.front_end}-{run.dataset}-{run.target}-{run.seed}"
    return f"{label}-{_digest(repr(parts))}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
