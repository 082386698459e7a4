"""Why a song is judged as it is: the passages of its timeline, and the lyric lines that count.

A line counts as much as the prediction moves when the line is deleted, with its repetitions, for a
chorus is one thing said several times. To encode the lyrics anew for every line would cost more
than all the rest of an analysis. So a few are chosen first by leaving their token states out of
those that the network takes the mean of; what is left has still seen the line, which is near
enough to choose by, and only those few are deleted in earnest. `mer.research.evaluation.deletion` measures how often
the line that counts most is named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import torch

from mer.network import AffettiBatch
from mer.prediction import LyricLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from mer.network import AffettiNetwork, AffettiOutput

NAMED_LINES: Final = 3
"""Lines that a prediction names."""
SHORTLIST: Final = 4
"""Lines that are deleted in earnest, of all that were read."""
_EDGE: Final = 1e-9
"""How near to 0 and 1 a place on the plane is told from them; float32 reaches them."""
_HALVINGS: Final = 40
"""Of a range of at most 42 in log-odds; what is left of it moves nothing."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line that the text encoder read, wholly or in part.

    Parameters
    ----------
    line : int
        Place, from 0, of its first occurrence among the lines that are not blank.
    text : str
    tokens : (tokens,) bool Tensor
        Which of the lyrics' tokens are its own or its repetitions'.
    rest : str
        The lyrics, as far as they were read, without it and its repetitions; blank if it is all.
    """

    line: int
    text: str
    tokens: Tensor
    rest: str = ""


def read_lines(lyrics: str, offsets: Tensor) -> list[ReadLine]:
    r"""Find the different lines of lyrics among their tokens.

    Lines that differ in nothing but case, spacing and punctuation are one.

    Parameters
    ----------
    lyrics : str
        As they were encoded; lines end with ``\n``.
    offsets : (tokens, 2) int64 Tensor
        Of one text, as in `mer.encoders.text.TokenStates`, without padding.

    Returns
    -------
    list of ReadLine
        In order; lines of which the encoder's limit left no token are not among them.
    """
    first, end = offsets.unbind(dim=1)
    # A SentencePiece token may begin with the break before its line, but never ends with one.
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
    # What lies beyond the encoder's limit is cut off, so that a deletion lets nothing slide in; a
    # repetition that the limit cuts short is known by its whole line.
    read = list(zip(lyrics[: int(offsets.max())].split("\n"), keys, strict=False))
    return [
        replace(line, rest="\n".join(part for part, of in read if of != key).strip("\n"))
        for key, line in groups.items()
    ]


def line_key(text: str) -> str:
    """Reduce a line to what its repetitions share: letters and digits, without case."""
    letters = "".join(sign if sign.isalnum() else " " for sign in text.casefold())
    return " ".join(letters.split()) or text.strip()


def without_each(
    network: AffettiNetwork,
    audio: Tensor | None,
    lyrics: Tensor,
    context: Tensor | None,
    lines: Sequence[ReadLine],
) -> AffettiOutput:
    """Judge a song whole, and then without each of some of its lines.

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
        Of ``1 + len(lines)`` songs on the network's device.
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
    """Choose the lines that are worth deleting in earnest.

    Parameters
    ----------
    output : AffettiOutput
        As `without_each` gives it for `lines`.
    lines : sequence of ReadLine

    Returns
    -------
    list of ReadLine
        At most `SHORTLIST`, the likeliest first.
    """
    moved = (output.affect[0] - output.affect[1:]).double().norm(dim=1)
    return [lines[place] for place in moved.argsort(descending=True, stable=True)[:SHORTLIST]]


def strongest_lines(output: AffettiOutput, lines: Sequence[ReadLine]) -> tuple[LyricLine, ...]:
    """Name the lines without which the song would be judged most differently.

    Parameters
    ----------
    output : AffettiOutput
        Of the whole song, and of the song with the `rest` of each of `lines` as its lyrics.
    lines : sequence of ReadLine

    Returns
    -------
    tuple of LyricLine
        At most `NAMED_LINES`, the strongest first, equal ones in the order of `lines`.
    """
    affect = output.affect.double().cpu()
    named = [
        LyricLine(line.line, line.text, *added)
        for line, added in zip(lines, (affect[0] - affect[1:]).tolist(), strict=True)
    ]
    return tuple(sorted(named, key=lambda line: -line.shift)[:NAMED_LINES])


def passages(audio: Tensor) -> list[Tensor]:
    """Cut a song into what the timeline hears at each patch: the patch and its neighbours.

    Parameters
    ----------
    audio : (patches, audio_dim) float Tensor

    Returns
    -------
    list of (2 or 3, audio_dim) float Tensors
        One a patch; of a song of one patch, that patch.
    """
    return [audio[max(0, patch - 1) : patch + 2] for patch in range(len(audio))]


def anchored(points: Tensor, whole: Tensor) -> Tensor:
    r"""Move a song's passages together until their mean is the song.

    What the network says of a song is not the mean of what it says of the passages: it is not
    linear, and a passage varies less than a song. Whole songs are what it was trained on and
    measured by, so the whole stands, and each axis of the passages moves by one constant before
    the sigmoid:

    .. math:: \frac 1 n \sum_i \sigma(\operatorname{logit} p_i + c) = w

    Their order, and how far apart they lie in log-odds, is kept. They weigh the same, because
    patches lie in the middle of equal parts of a song.

    Parameters
    ----------
    points : (patches, 2) float Tensor in [0, 1]
        As the network says them of `passages`; there may be none.
    whole : (2,) float Tensor in [0, 1]
        Of the song.

    Returns
    -------
    (patches, 2) float64 Tensor in [0, 1]
        With mean `whole`, to 1e-8.
    """
    if not len(points):
        return points.double()
    odds, goal = points.double().logit(eps=_EDGE), whole.double().logit(eps=_EDGE)
    # With the highest passage at the goal the mean lies below it, with the lowest above it.
    low, high = goal - odds.amax(dim=0), goal - odds.amin(dim=0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_below = (odds + middle).sigmoid().mean(dim=0) < goal.sigmoid()
        low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
    return (odds + (low + high) / 2).sigmoid()


def _repeated(states: Tensor | None, width: int, times: int) -> tuple[Tensor, Tensor]:
    """One song's rows, as float32 and without copies, for every song of a batch; and their mask."""
    steps = 1 if states is None else len(states)
    rows = torch.zeros(1, width) if states is None else states.float()
    mask = torch.full((times, steps), states is not None)
    return rows.expand(times, -1, -1), mask
