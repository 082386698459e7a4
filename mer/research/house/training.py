"""``python -m mer.research train``: train the packaged checkpoint from the data sets.

Five networks are trained on folds with disjoint artists, for calibration on held-out songs. Then
one network is trained on all songs outside the test split, with the same recipe. Every network
keeps its state, so that a killed command can be repeated.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from mer import checkpoint
from mer.batches import AffettiConfig
from mer.encoders.low_rank import bundled
from mer.research.house.mixture import SONG_SETS, Plane, load_tracks
from mer.research.house.text_adaptation import adapter
from mer.research.house.trainer import Recipe, Trainer
from mer.research.house.validation import calibrate, cross_validate, is_song
from mer.research.inputs import features
from mer.research.inputs.distortions import augmentation
from mer.research.inputs.features import FeatureCache

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from mer.network import AffettiNetwork
    from mer.research.datasets.base import Track
    from mer.research.inputs.features import TrackFeatures

CHECKPOINT_NAME: Final = "affetti"


@dataclass(frozen=True, slots=True)
class Material:
    """Data for training and evaluation.

    Parameters
    ----------
    examples : tuple of TrackFeatures
        Of all splits.
    plane : Plane
    adapter : mapping of str to Tensor
        Corrections of the text encoder.
    """

    examples: tuple[TrackFeatures, ...]
    plane: Plane
    adapter: Mapping[str, torch.Tensor]

    @classmethod
    def load(
        cls,
        data: Path,
        cache: Path,
        work: Path,
        copies: int = Recipe().copies,
        *,
        only_development: bool = False,
    ) -> Material:
        """Read the data sets under `data`, with features from `cache` (computed if missing).

        The text encoder's adapter is kept in `work` (trained if missing). Songs outside the test
        split have the audio of `copies` distorted copies in addition to their own.
        `only_development` leaves everything else out.
        """
        tracks = load_tracks(data)
        plane = Plane.of(tracks)
        corrections = adapter(tracks, plane, work)
        store = FeatureCache(cache, is_wide=True, adapter=corrections)
        if only_development:
            tracks = [track for track in tracks if _is_development(track)]
        examples = store.features(tracks)
        songs = [i for i, e in enumerate(examples) if is_song(e) and e.track.split != "test"]
        for copy in range(1, copies + 1):
            distorted = store.features([tracks[i] for i in songs], augmentation(copy))
            for i, copied in zip(songs, distorted, strict=True):
                if copied.audio is not None:
                    kept = (*examples[i].copies, copied.audio)
                    examples[i] = replace(examples[i], copies=kept)
        return cls(tuple(examples), plane, corrections)

    @property
    def development(self) -> list[TrackFeatures]:
        """Songs of the training and validation splits, and texts of the training split."""
        return [example for example in self.examples if _is_development(example.track)]


def _is_development(track: Track) -> bool:
    return track.split == "train" or (track.dataset in SONG_SETS and track.split == "val")


def train_final(
    recipe: Recipe, config: AffettiConfig, material: Material, folder: Path
) -> AffettiNetwork:
    """Train on all data outside the test splits; the state is kept in `folder`."""
    examples = material.development
    songs = [example for example in examples if is_song(example)]
    texts = [example for example in examples if not is_song(example)]
    return Trainer(recipe, config, songs, texts, material.plane, folder).train()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research train``."""
    add_data_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=checkpoint.WEIGHTS_FOLDER,
        metavar="DIR",
        help="where the checkpoint goes (default: the package's own weights)",
    )
    parser.add_argument(
        "--epochs", type=int, help=f"default: {Recipe().epochs}, or the architecture's own number"
    )
    parser.add_argument("--seed", type=int, default=Recipe().seed, help="default: %(default)s")


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that ``train`` and ``evaluate`` share."""
    features.add_data_arguments(parser)
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("var/training"),
        metavar="DIR",
        help="where the state of the training is kept (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, default=0, help="of torch (default: its choice)")


def run(args: argparse.Namespace) -> int:
    """Train, calibrate, and replace the checkpoint."""
    if args.threads:
        torch.set_num_threads(args.threads)
    recipe, config = Recipe(seed=args.seed, epochs=args.epochs or Recipe().epochs), AffettiConfig()
    material = Material.load(args.data, args.cache, args.work)
    folds = cross_validate(recipe, config, material.development, material.plane, args.work)
    calibrated = calibrate(config, folds, material.plane)
    network = train_final(recipe, config, material, args.work / "final")
    card: dict[str, Any] = {
        "licence": "CC BY-NC-SA 4.0; see docs/model-card.md",
        "model_card": "docs/model-card.md",
        "trained_on": "train and validation splits; no test split",
        "recipe": asdict(recipe),
    }
    path = checkpoint.save(
        bundled(network.state_dict(), material.adapter),
        asdict(calibrated),
        card,
        args.out,
        CHECKPOINT_NAME,
    )
    _remove_others(path)
    print(path)  # noqa: T201
    return 0


def _remove_others(path: Path) -> None:
    """Delete other checkpoints of this name, because `mer.checkpoint` expects one."""
    for other in path.parent.glob(f"{CHECKPOINT_NAME}-{'[0-9a-f]' * 8}.*"):
        if other.stem != path.stem:
            other.unlink()
