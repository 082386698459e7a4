"""The deletion test: whether the lyric lines that are named are those that count.

A prediction deletes a few lines, chosen by leaving token states out (`mer.explain`), and names the
strongest of them. Here every line is deleted from the text in its turn, and the text encoded anew.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from tqdm import tqdm

from mer.encoders.text import MAX_TOKENS
from mer.explain import SHORTLIST, read_lines, without_each
from mer.metrics import bootstrap_ci, spearman
from mer.network import AffettiOutput, collate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from mer.encoders.text import TokenStates
    from mer.explain import ReadLine
    from mer.network import AffettiNetwork
    from mer.research.inputs.features import TrackFeatures

    Floats = NDArray[np.float64]

_TEXT_BATCH: Final = 16


class Encoder(Protocol):
    """What `mer.encoders.text.TextEncoder` does here."""

    def encode(self, texts: Sequence[str], max_tokens: int) -> TokenStates:
        """Token states of each text."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Lyrics as they are read, and without each of their lines.

    Parameters
    ----------
    lines : list of ReadLine
    states : (tokens, width) float Tensor
        Of the whole.
    without : list of (tokens, width) float Tensor
        Of the text that each of `lines`, with its repetitions, was deleted from.
    """

    lines: list[ReadLine]
    states: Tensor
    without: list[Tensor]


@dataclass(frozen=True, slots=True)
class Deletions:
    """What a network says when lines are left out of the mean, and when they are deleted.

    Parameters
    ----------
    said, true : (lines, 2) float64 ndarray
        What each line adds to valence and arousal: by its states, left out, and by deletion.
    turned : (lines,) float64 ndarray in [0, 1]
        Total variation of the quadrants' chances by deletion.
    tokens : (lines,) int64 ndarray
        How long each line is, with its repetitions.
    """

    said: Floats
    true: Floats
    turned: Floats
    tokens: NDArray[np.int64]


def rewritten(lyrics: str, encoder: Encoder) -> Rewritten:
    """Encode lyrics whole and without each of their lines.

    Parameters
    ----------
    lyrics : str
        Cleaned.
    encoder : Encoder

    Returns
    -------
    Rewritten
    """
    ((states, offsets),) = _encoded(encoder, [lyrics])
    lines = read_lines(lyrics, offsets)
    texts = [line.rest for line in lines]
    return Rewritten(lines, states, [rows for rows, _ in _encoded(encoder, texts)])


def _encoded(encoder: Encoder, texts: Sequence[str]) -> Iterator[tuple[Tensor, Tensor]]:
    """States and offsets of each text, without padding."""
    for start in range(0, len(texts), _TEXT_BATCH):
        batch = encoder.encode(texts[start : start + _TEXT_BATCH], max_tokens=MAX_TOKENS)
        for states, offsets, mask in zip(batch.states, batch.offsets, batch.mask, strict=True):
            yield states[mask], offsets[mask]


@torch.inference_mode()
def deletions(
    network: AffettiNetwork, text: Rewritten, audio: Tensor | None, context: Tensor | None
) -> Deletions:
    """Leave out, and delete, every line of one song.

    Parameters
    ----------
    network : AffettiNetwork
    text : Rewritten
    audio, context : (patches or tokens, width) float Tensor or None

    Returns
    -------
    Deletions
    """
    said = without_each(network, audio, text.states, context, text.lines)
    rows = [text.states, *text.without]
    batch = collate([audio] * len(rows), rows, [context] * len(rows), network.config)
    true: AffettiOutput = network(batch)
    chances = true.quadrant_logits.double().softmax(dim=1)
    return Deletions(
        said=_added(said),
        true=_added(true),
        turned=((chances[1:] - chances[0]).abs().sum(dim=1) / 2).numpy(),
        tokens=np.array([int(line.tokens.sum()) for line in text.lines]),
    )


def _added(output: AffettiOutput) -> Floats:
    affect = output.affect.double()
    added: Floats = (affect[0] - affect[1:]).numpy()
    return added


def deletion_figures(songs: Sequence[Deletions]) -> dict[str, Any]:
    """Hold the line that is named to the others, song by song.

    Parameters
    ----------
    songs : sequence of Deletions
        Each of at least two lines.

    Returns
    -------
    dict
        Means over songs with intervals: how far deletion moves the song on the plane for the line
        ``named``, for a ``random`` other line (the mean over all of them) and for the ``longest``
        line; the paired differences; how often the named line is truly the first, the one chosen
        ``unchecked`` would be, and any would be by ``chance``; agreement of the two rankings.
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
    said, true = (np.hypot(*added.T) for added in (song.said, song.true))
    few = np.argsort(-said, kind="stable")[:SHORTLIST]
    named, longest = int(few[true[few].argmax()]), int(song.tokens.argmax())
    others = np.arange(len(said)) != named
    ranks = spearman(said, true) if len(said) > 2 else np.nan
    return {
        "named": float(true[named]),
        "random": float(true[others].mean()),
        "longest": float(true[longest]),
        "named_less_random": float(true[named] - true[others].mean()),
        "named_less_longest": float(true[named] - true[longest]),
        "more_than_random": float(np.mean(true[named] > true[others])),
        "first": float(named == true.argmax()),
        "first_unchecked": float(few[0] == true.argmax()),
        "first_longest": float(longest == true.argmax()),
        "chance": 1 / len(said),
        "rank_agreement": float(ranks),
        "turned_named_less_random": float(song.turned[named] - song.turned[others].mean()),
    }


def mean_of(values: Iterable[float]) -> dict[str, float]:
    """Mean with its interval over songs; songs that are NaN count nothing."""
    known = np.array(list(values), dtype=np.float64)
    return asdict(bootstrap_ci(lambda drawn: float(drawn.mean()), known[~np.isnan(known)]))


def measure(
    heard: Sequence[tuple[AffettiNetwork, TrackFeatures]], encoder: Encoder
) -> dict[str, Any]:
    """Delete the lines of songs, as they are heard whole and by their lyrics alone."""
    found: dict[str, list[Deletions]] = {"all that is known": [], "lyrics alone": []}
    for network, song in tqdm(heard, desc="deleting", unit="song"):
        text = rewritten(song.track.lyrics or "", encoder)
        if len(text.lines) > 1:
            found["all that is known"].append(deletions(network, text, song.audio, song.context))
            found["lyrics alone"].append(deletions(network, text, None, None))
    return {given: deletion_figures(songs) for given, songs in found.items()}
