"""The deletion test of lyric lines.

A prediction leaves the token states of each line out of the mean, deletes the few lines that change
it most, and reports the strongest of those (`mer.explain`). This test deletes every line in turn,
encodes the remaining text again, and ranks the lines by the change.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from tqdm import tqdm

from mer.batches import AffettiOutput, collate
from mer.encoding import encode_texts
from mer.explain import SHORTLIST, read_lines, without_each
from mer.metrics import bootstrap_ci, spearman

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from mer.encoding import TokenEncoder
    from mer.explain import ReadLine
    from mer.network import AffettiNetwork
    from mer.research.inputs.features import TrackFeatures

    Floats = NDArray[np.float64]

ALL_INPUTS: Final = "all that is known"
LYRICS_ALONE: Final = "lyrics alone"
"""Keys in the JSON file."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Encoded lyrics, whole and without each of their lines.

    Parameters
    ----------
    lines : list of ReadLine
    states : (tokens, width) float Tensor
        Of the whole lyrics.
    without : list of (tokens, width) float Tensor
        Of the lyrics without each of `lines` and its repetitions.
    """

    lines: list[ReadLine]
    states: Tensor
    without: list[Tensor]


@dataclass(frozen=True, slots=True)
class Deletions:
    """Effect of each line on a prediction: left out of the mean, and deleted.

    Parameters
    ----------
    left_out, deleted : (lines, 2) float64 ndarray
        Valence and arousal of the whole lyrics less those without the line.
    turned : (lines,) float64 ndarray in [0, 1]
        Total variation distance of the quadrant probabilities, by deletion.
    tokens : (lines,) int64 ndarray
        Number of tokens of each line and its repetitions.
    """

    left_out: Floats
    deleted: Floats
    turned: Floats
    tokens: NDArray[np.int64]


def rewritten(lyrics: str, encoder: TokenEncoder) -> Rewritten:
    """Encode lyrics whole and without each of their lines.

    Parameters
    ----------
    lyrics : str
        Cleaned.
    encoder : TokenEncoder

    Returns
    -------
    Rewritten
    """
    ((states, offsets),) = encode_texts(encoder, [lyrics])
    lines = read_lines(lyrics, offsets)
    texts = [line.rest for line in lines]
    return Rewritten(lines, states, [text.states for text in encode_texts(encoder, texts)])


@torch.inference_mode()
def deletions(
    network: AffettiNetwork, text: Rewritten, audio: Tensor | None, context: Tensor | None
) -> Deletions:
    """Leave out and delete every line of one song.

    Parameters
    ----------
    network : AffettiNetwork
    text : Rewritten
    audio, context : (patches or tokens, width) float Tensor or None

    Returns
    -------
    Deletions
    """
    left_out = without_each(network, audio, text.states, context, text.lines)
    rows = [text.states, *text.without]
    batch = collate([audio] * len(rows), rows, [context] * len(rows), network.config)
    deleted: AffettiOutput = network(batch)
    probabilities = deleted.quadrant_logits.double().softmax(dim=1)
    return Deletions(
        left_out=_added(left_out),
        deleted=_added(deleted),
        turned=((probabilities[1:] - probabilities[0]).abs().sum(dim=1) / 2).numpy(),
        tokens=np.array([int(line.tokens.sum()) for line in text.lines]),
    )


def _added(output: AffettiOutput) -> Floats:
    affect = output.affect.double()
    added: Floats = (affect[0] - affect[1:]).numpy()
    return added


def deletion_figures(songs: Sequence[Deletions]) -> dict[str, Any]:
    """Compare the reported line of each song with its other lines.

    Parameters
    ----------
    songs : sequence of Deletions
        Each with at least two lines.

    Returns
    -------
    dict
        Means over songs with intervals. ``named``, ``random`` and ``longest`` are the distances on
        the plane when the reported line, another line (mean over all) or the longest line is
        deleted; ``*_less_*`` are paired differences. ``first*`` is the share of songs where the
        line has the largest distance: the reported line, the line chosen ``unchecked`` by leaving
        out alone, the longest line; ``chance`` is that share for a line drawn at random.
        ``rank_agreement`` is the rank correlation of both distances.
    """
    rows: dict[str, list[float]] = {}
    for song in songs:
        for name, value in _deleted(song).items():
            rows.setdefault(name, []).append(value)
    return {
        "songs": len(songs),
        "lines": float(np.mean([len(song.tokens) for song in songs])),
        **{name: mean_of(values) for name, values in rows.items()},
    }


def _deleted(song: Deletions) -> dict[str, float]:
    left_out, deleted = (np.hypot(*added.T) for added in (song.left_out, song.deleted))
    few = np.argsort(-left_out, kind="stable")[:SHORTLIST]
    named, longest = int(few[deleted[few].argmax()]), int(song.tokens.argmax())
    others = np.arange(len(left_out)) != named
    ranks = spearman(left_out, deleted) if len(left_out) > 2 else np.nan
    return {
        "named": float(deleted[named]),
        "random": float(deleted[others].mean()),
        "longest": float(deleted[longest]),
        "named_less_random": float(deleted[named] - deleted[others].mean()),
        "named_less_longest": float(deleted[named] - deleted[longest]),
        "more_than_random": float(np.mean(deleted[named] > deleted[others])),
        "first": float(named == deleted.argmax()),
        "first_unchecked": float(few[0] == deleted.argmax()),
        "first_longest": float(longest == deleted.argmax()),
        "chance": 1 / len(left_out),
        "rank_agreement": float(ranks),
        "turned_named_less_random": float(song.turned[named] - song.turned[others].mean()),
    }


def mean_of(values: Iterable[float]) -> dict[str, float]:
    """Mean with its interval over songs; NaN is ignored."""
    known = np.array(list(values), dtype=np.float64)
    return asdict(bootstrap_ci(lambda drawn: float(drawn.mean()), known[~np.isnan(known)]))


def measure(
    songs: Sequence[tuple[AffettiNetwork, TrackFeatures]], encoder: TokenEncoder
) -> dict[str, Any]:
    """Delete the lines of songs that are predicted from all inputs, and from their lyrics alone."""
    found: dict[str, list[Deletions]] = {ALL_INPUTS: [], LYRICS_ALONE: []}
    for network, song in tqdm(songs, desc="deleting", unit="song"):
        text = rewritten(song.track.lyrics or "", encoder)
        if len(text.lines) > 1:
            found[ALL_INPUTS].append(deletions(network, text, song.audio, song.context))
            found[LYRICS_ALONE].append(deletions(network, text, None, None))
    return {inputs: deletion_figures(deleted) for inputs, deleted in found.items()}
