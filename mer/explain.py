"""Explains a prediction: the timeline of a song, and the lyric lines that matter most.

The importance of a line is the distance that the prediction moves when the line and all its
repetitions are removed. Encoding the lyrics again for every line would cost more than the rest of
an analysis. A shortlist is therefore made first, by leaving the token states of a line out of the
mean over tokens. This is an estimate, because the other states still depend on the line. Only the
lines of the shortlist are deleted from the text. `mer.research.evaluation.deletion` measures how
often the most important line is found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import torch

from mer.batches import AffettiBatch
from mer.lyrics import line_key
from mer.prediction import LyricLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from mer.batches import AffettiOutput
    from mer.network import AffettiNetwork

NAMED_LINES: Final = 3
"""Lyric lines in a prediction."""
SHORTLIST: Final = 4
"""Lines that are deleted from the text and encoded again."""
_EDGE: Final = 1e-9
"""Values are kept this far from 0 and 1, which float32 sigmoids reach."""
_HALVINGS: Final = 40
"""Bisection steps over an interval of at most 42 in log-odds; the error is below 1e-10."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A lyric line of which at least one token was encoded.

    Parameters
    ----------
    line : int
        Index of its first occurrence among the lines that are not blank.
    text : str
    tokens : (tokens,) bool Tensor
        True at the tokens of the line and of its repetitions.
    rest : str
        The encoded part of the lyrics without the line and its repetitions. May be empty.
    """

    line: int
    text: str
    tokens: Tensor
    rest: str = ""


def read_lines(lyrics: str, offsets: Tensor) -> list[ReadLine]:
    r"""Find the distinct lines of lyrics and their tokens.

    Lines that differ only in case, spacing and punctuation count as repetitions.

    Parameters
    ----------
    lyrics : str
        The encoded text; lines end with ``\n``.
    offsets : (tokens, 2) int64 Tensor
        Of `mer.encoding.EncodedText`.

    Returns
    -------
    list of ReadLine
        In order, without lines beyond the token limit of the encoder.
    """
    first, end = offsets.unbind(dim=1)
    # Tokens of some tokenizers start with the line break before a line. None ends with one.
    last = torch.where(end > first, end - 1, -1)
    groups: dict[str, ReadLine] = {}
    start, number = 0, 0
    texts = lyrics.split("\n")
    keys = [line_key(text) for text in texts]
    for text, key in zip(texts, keys, strict=True):
        tokens = (last >= start) & (last < start + len(text))
        start += len(text) + 1
        if not text.strip():
            continue
        if bool(tokens.any()):
            known = groups.setdefault(key, ReadLine(number, text, tokens))
            groups[key] = ReadLine(known.line, known.text, known.tokens | tokens)
        number += 1
    # Text beyond the token limit is dropped, so that a deletion does not bring new text in. A
    # truncated repetition is recognised by its whole line.
    read = list(zip(lyrics[: int(offsets.max())].split("\n"), keys, strict=False))
    return [
        replace(line, rest="\n".join(part for part, of in read if of != key).strip("\n"))
        for key, line in groups.items()
    ]


def without_each(
    network: AffettiNetwork,
    audio: Tensor | None,
    lyrics: Tensor,
    context: Tensor | None,
    lines: Sequence[ReadLine],
) -> AffettiOutput:
    """Compute the outputs for a song, and for the song with the tokens of each line left out.

    Parameters
    ----------
    network : AffettiNetwork
    audio, context : (patches or tokens, width) float Tensor or None
    lyrics : (tokens, text_dim) float Tensor
    lines : sequence of ReadLine
        Of these lyrics.

    Returns
    -------
    AffettiOutput
        For ``1 + len(lines)`` songs, the whole song first; on the device of the network.
    """
    everything = torch.ones(len(lyrics), dtype=torch.bool)
    masks = torch.stack([everything, *(~line.tokens for line in lines)])
    config = network.config
    batch = AffettiBatch(
        *_repeated(audio, config.audio_dim, len(masks)),
        _repeated(lyrics, config.text_dim, len(masks))[0],
        masks,
        *_repeated(context, config.text_dim, len(masks)),
    )
    device = next(network.parameters()).device
    output: AffettiOutput = network(AffettiBatch(*(part.to(device) for part in batch)))
    return output


def shortlist(output: AffettiOutput, lines: Sequence[ReadLine]) -> list[ReadLine]:
    """Choose the lines to delete from the text.

    Parameters
    ----------
    output : AffettiOutput
        Of `without_each` for `lines`.
    lines : sequence of ReadLine

    Returns
    -------
    list of ReadLine
        At most `SHORTLIST`, the largest estimated importance first.
    """
    moved = (output.affect[0] - output.affect[1:]).double().norm(dim=1)
    return [lines[place] for place in moved.argsort(descending=True, stable=True)[:SHORTLIST]]


def strongest_lines(output: AffettiOutput, lines: Sequence[ReadLine]) -> tuple[LyricLine, ...]:
    """Rank lines by their importance.

    Parameters
    ----------
    output : AffettiOutput
        For the whole song, then for the song with the `rest` of each of `lines` as lyrics.
    lines : sequence of ReadLine

    Returns
    -------
    tuple of LyricLine
        At most `NAMED_LINES`, the most important first; ties in the order of `lines`.
    """
    affect = output.affect.double().cpu()
    ranked = [
        LyricLine(line.line, line.text, *added)
        for line, added in zip(lines, (affect[0] - affect[1:]).tolist(), strict=True)
    ]
    return tuple(sorted(ranked, key=lambda line: -line.shift)[:NAMED_LINES])


def passages(audio: Tensor) -> list[Tensor]:
    """Passages of a song for the timeline: each patch with its neighbours on either side.

    Parameters
    ----------
    audio : (patches, audio_dim) float Tensor

    Returns
    -------
    list of (2 or 3, audio_dim) float Tensors
        One for each patch. A song of one patch has one passage of one patch.
    """
    return [audio[max(0, patch - 1) : patch + 2] for patch in range(len(audio))]


def anchored(points: Tensor, whole: Tensor) -> Tensor:
    r"""Shift the points of a timeline so that their mean is the prediction for the song.

    The network is not linear, so its prediction for a song is not the mean of its predictions for
    the passages. It was trained and evaluated on whole songs, so the prediction for the song is
    kept. On each axis the points are shifted by one constant before the sigmoid:

    .. math:: \frac 1 n \sum_i \sigma(\operatorname{logit} p_i + c) = w

    Their order and their differences in log-odds are kept. All points have equal weight, because
    patches lie in the middle of equal parts of the song.

    Parameters
    ----------
    points : (patches, 2) float Tensor in [0, 1]
        Predictions for `passages`. May be empty.
    whole : (2,) float Tensor in [0, 1]
        Prediction for the song.

    Returns
    -------
    (patches, 2) float64 Tensor in [0, 1]
        With mean `whole`, to 1e-8.
    """
    if not len(points):
        return points.double()
    odds, goal = points.double().logit(eps=_EDGE), whole.double().logit(eps=_EDGE)
    # A shift of the highest point to the goal is too low for the mean; of the lowest, too high.
    low, high = goal - odds.amax(dim=0), goal - odds.amin(dim=0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_below = (odds + middle).sigmoid().mean(dim=0) < goal.sigmoid()
        low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
    return (odds + (low + high) / 2).sigmoid()


def _repeated(states: Tensor | None, width: int, times: int) -> tuple[Tensor, Tensor]:
    """Rows and mask of one song for a batch of `times` songs, as float32 views without copies."""
    steps = 1 if states is None else len(states)
    rows = torch.zeros(1, width) if states is None else states.float()
    mask = torch.full((times, steps), states is not None)
    return rows.expand(times, -1, -1), mask
