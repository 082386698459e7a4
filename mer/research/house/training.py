"""``python -m mer.research train``: train the packaged checkpoint from the data sets.

First the text path is trained on texts alone; every network starts from its weights. Then five
networks are trained on folds with disjoint artists, for calibration on held-out songs, and one
without each domain, for the confidence on unfamiliar music. At last one network is trained on all
songs outside the test split, with the same recipe. Every network keeps its state, so that a killed
command can be repeated.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors.torch import load_file, save_file

from mer import checkpoint
from mer.batches import AffettiConfig
from mer.encoders.low_rank import bundled
from mer.files import written_aside
from mer.research.house import open_weights
from mer.research.house.calibration import calibrate
from mer.research.house.mixture import DISTORTED_SETS, GENERAL_TEXTS, SONG_SETS, Plane, load_tracks
from mer.research.house.reading import read_texts
from mer.research.house.text_adaptation import adapter
from mer.research.house.trainer import Recipe
from mer.research.house.validation import cross_validate, leave_domains_out, trained
from mer.research.inputs import features
from mer.research.inputs.distortions import augmentation
from mer.research.inputs.features import FeatureCache

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from torch import Tensor

    from mer.network import AffettiNetwork
    from mer.research.datasets.base import Track
    from mer.research.inputs.features import TrackFeatures

CHECKPOINT_NAME: Final = "affetti"
LICENCE: Final = "CC BY-NC-SA 4.0"


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
    adapter: Mapping[str, Tensor]

    @classmethod
    def load(
        cls,
        data: Path,
        cache: Path,
        work: Path,
        copies: int = Recipe().copies,
        *,
        only_development: bool = False,
        is_open: bool = False,
    ) -> Material:
        """Read the data sets under `data`, with features from `cache` (computed if missing).

        The text encoder's adapter is kept in `work` (trained if missing). Songs outside the test
        split have the audio of `copies` distorted copies in addition to their own. Composed pieces
        have none, because they were written with various recording conditions.
        `only_development` leaves everything else out. `is_open` reads the sets of `open_weights`
        alone.
        """
        tracks = open_weights.load_tracks(data) if is_open else load_tracks(data)
        plane = Plane.of_sentences(tracks) if is_open else Plane.of(tracks)
        corrections = {} if is_open else adapter(tracks, plane, work)
        store = FeatureCache(cache, is_wide=True, adapter=corrections)
        if only_development:
            tracks = [track for track in tracks if _is_development(track)]
        examples = store.features(tracks)
        songs = [i for i, e in enumerate(examples) if _has_copies(e.track)]
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


def _has_copies(track: Track) -> bool:
    return track.dataset in DISTORTED_SETS and track.split != "test"


def _is_development(track: Track) -> bool:
    return track.split == "train" or (track.dataset in SONG_SETS and track.split == "val")


def text_start(
    recipe: Recipe, config: AffettiConfig, material: Material, folder: Path
) -> dict[str, Tensor]:
    """Weights after `read_texts` on the texts about no song of the song sets; kept in `folder`."""
    texts = [e for e in material.development if e.track.dataset in GENERAL_TEXTS]
    parts = (recipe, config, material.plane, [(t.track.track_id, t.track.labels) for t in texts])
    digest = hashlib.sha256(repr(parts).encode())
    for name, correction in sorted(material.adapter.items()):  # they decide the texts' features
        digest.update(name.encode() + correction.contiguous().numpy().tobytes())
    path = folder / f"text-start-{digest.hexdigest()[:12]}.safetensors"
    if not path.is_file():
        weights = read_texts(recipe, config, texts, material.plane)
        folder.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as part:
            save_file(weights, part)
    return load_file(path)


def train_final(
    recipe: Recipe,
    config: AffettiConfig,
    material: Material,
    folder: Path,
    start: Mapping[str, Tensor] | None = None,
) -> AffettiNetwork:
    """Train on all data outside the test splits; the state is kept in `folder`."""
    return trained(recipe, config, material.development, material.plane, folder, start)


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
    parser.add_argument(
        "--open",
        action="store_true",
        help=f"train {open_weights.NAME}, on openly licensed data alone",
    )


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
    material = Material.load(args.data, args.cache, args.work, is_open=args.open)
    start = text_start(recipe, config, material, args.work)
    shared = (recipe, config, material.development, material.plane, args.work)
    folds = cross_validate(*shared, start=start)
    leave_out = open_weights.leave_instrumentations_out if args.open else leave_domains_out
    left_out = leave_out(*shared, start=start)
    calibrated = calibrate(config, folds, material.plane, list(left_out.values()))
    network = train_final(recipe, config, material, args.work / "final", start)
    page = f"docs/model-card{'-open' if args.open else ''}.md"
    card: dict[str, Any] = {
        "licence": f"{open_weights.LICENCE if args.open else LICENCE}; see {page}",
        "model_card": page,
        "trained_on": "train and validation splits; no test split",
        "recipe": asdict(recipe),
    }
    path = checkpoint.save(
        bundled(network.state_dict(), material.adapter),
        asdict(calibrated),
        card,
        args.out,
        open_weights.NAME if args.open else CHECKPOINT_NAME,
    )
    _remove_others(path)
    print(path)  # noqa: T201
    return 0


def _remove_others(path: Path) -> None:
    """Delete other checkpoints of this name, because `mer.checkpoint` expects one."""
    name = path.stem.rpartition("-")[0]
    for other in path.parent.glob(f"{name}-{'[0-9a-f]' * 8}.*"):
        if other.stem != path.stem:
            other.unlink()
