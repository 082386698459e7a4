"""The house network: four members that weight audio, lyrics and context with a gate.

Each member pools every modality, weights the pooled vectors with a gate [LGFN], and classifies
their sum. The gate lowers the weight of unusual audio and of lyrics that do not match the title.
The context is a modality of its own, with its own weight [HCMA].

A member computes a quarter of the embedding. The other outputs are averaged over members. Averaging
several seeds was the only change that improved every task (docs/results/house-model-tries.md).
Attention of audio patches over lyric tokens [Li] was measured and gave no gain, so it is not used.

Any modality may be missing, so a single sentence is a valid input. `mer.research` lists the papers.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from mer.affect import EMOTIONS, GEMS, QUADRANTS
from mer.batches import AffettiOutput
from mer.errors import InputError, ShapeError
from mer.kinds import KindStatistics, PooledAudio
from mer.prediction import EMBEDDING_DIM, MODALITIES

if TYPE_CHECKING:
    from torch import Tensor

    from mer.batches import AffettiBatch, AffettiConfig

_CUED: Final = MODALITIES[:2]
"""Modalities that `AffettiNetwork.cues` are about, in the same order."""
_MATCHED_TOKENS: Final = 3
"""Tokens of title and artist that are matched in the lyrics; few lyrics contain all of them."""
_LIKENESS: Final = (0.70, 0.12)
"""Mean and standard deviation for training songs; lyrics of another song lie 2 deviations lower."""
_CUE_LIMIT: Final = 1.5
"""Cues are clipped here, in deviations: an unknown genre is unusual, but not a bad recording."""
_KIND_EMPHASIS: Final = 5.0
"""Factor on the assignment to kinds of music, which is an input beside the audio."""
_COUNTS: Final = (1, 2, 4)
"""Bits of audio, lyrics and context in the index of a set of modalities."""
_CALIBRATION: Final = (
    *("quadrant_temperatures", "cluster_temperatures"),
    *("affect_scale", "affect_shift", "spread_scales", "interval_factors"),
    *("felt_scale", "felt_shift", "felt_valence", "kind_temperatures"),
)


class MemberStates(NamedTuple):
    """Pooled modalities of a batch of songs, for each member.

    Attributes
    ----------
    states : (members, songs, 3, share) float Tensor
        Unit vectors of audio, lyrics and context; a learned vector where a modality is missing.
    present : (songs, 3) bool Tensor
    cues : (songs, 2) float Tensor
        Of `AffettiNetwork.cues`.
    kinds : (songs, kinds) float Tensor
        Assignment to kinds of music; 0 without audio.
    novelty : (songs,) float Tensor
        Of the audio, in deviations of training songs; 0 without audio.
    """

    states: Tensor
    present: Tensor
    cues: Tensor
    kinds: Tensor
    novelty: Tensor


def _present(batch: AffettiBatch) -> Tensor:
    """Which modalities each song has, (songs, 3) bool."""
    masks = (batch.audio_mask, batch.lyrics_mask, batch.context_mask)
    return torch.stack([mask.any(dim=1) for mask in masks], dim=1)


def _likeness(batch: AffettiBatch) -> Tensor:
    """Match of title and artist with the lyrics, (songs,), in deviations; 0 if either is missing.

    The match of a context token is its cosine with the most similar lyric token. The result is the
    mean of the best matches. Special tokens count.
    """
    tokens = F.normalize(batch.lyrics, dim=-1)
    cosines = F.normalize(batch.context, dim=-1) @ tokens.transpose(1, 2)
    matches = cosines.masked_fill(~batch.lyrics_mask.unsqueeze(1), -torch.inf).amax(dim=2)
    matches = matches.masked_fill(~batch.context_mask, -torch.inf)
    best = matches.topk(min(_MATCHED_TOKENS, matches.shape[1]), dim=1).values
    known = best.isfinite()  # a short context has fewer, a missing text none
    likeness = masked_mean(best.where(known, 0.0).unsqueeze(2), known).squeeze(1)
    mean, deviation = _LIKENESS
    return torch.where(known.any(dim=1), (likeness - mean) / deviation, 0.0)


def _set_index(present: Tensor) -> Tensor:
    """Index (songs,) of the set of modalities, from (songs, 3) bool."""
    return (present * torch.tensor(_COUNTS, device=present.device)).sum(dim=1)


def _log_odds(quadrant_logits: Tensor) -> Tensor:
    """Log-odds (…, 2) of high valence and high arousal, from quadrant logits (…, 4)."""
    q1, q2, q3, q4 = quadrant_logits.log_softmax(dim=-1).unbind(dim=-1)
    valence = torch.logaddexp(q1, q4) - torch.logaddexp(q2, q3)
    arousal = torch.logaddexp(q1, q2) - torch.logaddexp(q3, q4)
    return torch.stack([valence, arousal], dim=-1)


def _side_deviation(quadrant_logits: Tensor) -> Tensor:
    """Compute the standard deviation (…, 2) of "valence is high" and "arousal is high", at most .5.

    It predicted the errors of valence and arousal best in cross-validation. The alternatives were
    a trained head, the disagreement of the members and the distance from the neutral point.
    """
    high = torch.sigmoid(_log_odds(quadrant_logits))
    return torch.sqrt(high * (1 - high) + 1e-4)


class MemberLinear(nn.Module):
    """A linear layer for each member: (songs, inputs) or (members, songs, inputs) to outputs."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)  # the initialisation of torch.nn.Linear
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, states: Tensor) -> Tensor:
        """Compute the outputs of all members, (members, songs, outputs)."""
        if states.ndim == 2:
            states = states.expand(len(self.weight), -1, -1)
        return torch.baddbmm(self.bias, states, self.weight)


class AffettiNetwork(nn.Module):
    """Computes embedding, quadrant, cluster, affect and emotions from encoded songs.

    The statistics of the audio (`mer.kinds`) are stored with the weights, as buffers.

    Parameters
    ----------
    config : AffettiConfig
    """

    affect_scale: Tensor
    affect_shift: Tensor
    quadrant_temperatures: Tensor
    cluster_temperatures: Tensor
    spread_scales: Tensor
    interval_factors: Tensor
    felt_scale: Tensor
    felt_shift: Tensor
    felt_valence: Tensor
    kind_temperatures: Tensor

    def __init__(self, config: AffettiConfig) -> None:
        super().__init__()
        self.config = config
        members, audio_dim, text_dim = config.members, config.audio_dim, config.text_dim
        share = EMBEDDING_DIM // members
        columns = min(2 * audio_dim, config.audio_columns)
        self.statistics = KindStatistics(
            2 * audio_dim, columns, len(config.kinds), config.components
        )
        for name in _CALIBRATION:
            self.register_buffer(name, torch.tensor(getattr(config, name)), persistent=False)
        self.audio_in = MemberLinear(members, columns + len(config.kinds), share)
        self.lyrics_in = MemberLinear(members, text_dim, config.text_width)
        self.lyrics_out = MemberLinear(members, config.text_width, share)
        self.context_in = MemberLinear(members, text_dim, share)
        self.null_parts = nn.Parameter(torch.zeros(members, 1, len(MODALITIES), share))
        # Inputs: the states and their pairwise products.
        self.gate = MemberLinear(members, 2 * len(MODALITIES) * share, len(MODALITIES))
        self.doubt = MemberLinear(members, len(_CUED), len(MODALITIES))
        self.quadrant_head = MemberLinear(members, share, len(QUADRANTS))
        self.cluster_head = MemberLinear(members, share, config.clusters)
        self.affect_head = MemberLinear(members, share, 2)
        self.emotion_head = MemberLinear(members, share, len(EMOTIONS))
        self.gems_head = MemberLinear(members, share, len(GEMS))

    def forward(self, batch: AffettiBatch) -> AffettiOutput:
        """Compute the calibrated outputs, averaged over members.

        Parameters
        ----------
        batch : AffettiBatch
            Every song has at least one modality.

        Returns
        -------
        AffettiOutput

        Raises
        ------
        ShapeError
            If a width differs from the configuration, or a song has no modality.
        """
        known = self.states(batch)
        members = self.fuse(known)
        config = self.config
        quadrant_logits = members.quadrant_logits.mean(dim=0)
        gems_logits = members.gems_logits.mean(dim=0)
        gates = members.gates.mean(dim=0)
        affect = members.affect.logit().mean(dim=0)
        affect = affect + config.affect_blend * (_log_odds(quadrant_logits) - affect)
        affect = self._with_felt(affect, gems_logits, gates)
        affect = torch.sigmoid(affect * self.affect_scale + self.affect_shift)
        quadrant_logits = quadrant_logits / self._temperature(known, gates)[:, None]
        cluster_logits = members.cluster_logits.mean(dim=0)
        index = _set_index(known.present)
        spread = _side_deviation(quadrant_logits) * self.spread_scales[index]
        fused = members.fused_embedding.transpose(0, 1).flatten(1)  # (songs, 256)
        return AffettiOutput(
            fused_embedding=fused / config.members**0.5,
            quadrant_logits=quadrant_logits,
            cluster_logits=cluster_logits / self.cluster_temperatures[index, None],
            affect=affect,
            affect_spread=spread,
            emotion_logits=members.emotion_logits.mean(dim=0) / config.emotion_temperature,
            gems_logits=gems_logits,
            gates=gates,
            felt=self._felt(gems_logits),
            kinds=known.kinds,
            novelty=self._novelty(known)[:, None],
            intervals=self._intervals(affect, spread),
        )

    def _felt(self, gems_logits: Tensor) -> Tensor:
        """Compute listeners' shares (songs, 9); no columns if no such ratings calibrated them."""
        if not self.config.felt_blend:
            return gems_logits[:, :0]
        return torch.sigmoid(gems_logits * self.felt_scale + self.felt_shift)

    def _with_felt(self, affect: Tensor, gems_logits: Tensor, gates: Tensor) -> Tensor:
        """Blend listeners' felt valence into the valence, as far as the audio has weight.

        Felt valence is a weighted sum of joy, sadness and tension among the GEMS logits, in the
        unit of the valence logit.
        """
        weights, shift = self.felt_valence[:-1], self.felt_valence[-1]
        share = self.config.felt_blend * gates[:, 0]
        felt = gems_logits @ weights + shift
        valence = affect[:, 0] + share * (felt - affect[:, 0])
        return torch.stack([valence, affect[:, 1]], dim=1)

    def _temperature(self, known: MemberStates, gates: Tensor) -> Tensor:
        """Temperature (songs,) of the quadrants: of the inputs, the kind and the novelty."""
        config = self.config
        # Music that is unlike the training songs is uncertain, whatever the logits are.
        beyond = torch.relu(known.novelty)
        of_audio = (known.kinds @ self.kind_temperatures).clamp(min=0.1)
        of_audio = of_audio.log() + torch.log1p(config.novelty_heat * beyond)
        factor = torch.where(known.present[:, 0], gates[:, 0] * of_audio, 0.0).exp()
        return factor * self.quadrant_temperatures[_set_index(known.present)]

    def _novelty(self, known: MemberStates) -> Tensor:
        """Novelty (songs,) in [0, 1]; 0.5 at the edge of the training songs, 0 without audio."""
        scaled = (known.novelty - self.config.novelty_edge) / self.config.novelty_width
        return torch.where(known.present[:, 0], torch.sigmoid(scaled), 0.0)

    def _intervals(self, affect: Tensor, spread: Tensor) -> Tensor:
        """Lowest and highest valence, lowest and highest arousal, (songs, 4)."""
        width = spread * self.interval_factors
        bounds = torch.stack([affect - width, affect + width], dim=2)
        return bounds.clamp(0.0, 1.0).flatten(1)

    def members(self, batch: AffettiBatch, *, are_texts: bool = False) -> AffettiOutput:
        """Compute the outputs of each member, without calibration; errors as `forward`.

        All tensors have a first axis of members. An embedding has 256 / members numbers. In
        training, `are_texts` applies `text_dropout` instead of `dropout`.
        """
        return self.fuse(self.states(batch, are_texts=are_texts))

    def states(self, batch: AffettiBatch, *, are_texts: bool = False) -> MemberStates:
        """Pool each modality, for each member; parameters and errors as `members`."""
        present = _present(batch)
        self._check(batch, present)
        rate = self.config.text_dropout if are_texts else self.config.dropout
        audio = self._pool_audio(batch)
        parts = self.null_parts.expand(-1, len(present), -1, -1).unbind(dim=2)
        embeds = (
            partial(self._embed_audio, audio),
            partial(self._embed_lyrics, batch),
            partial(self._embed_context, batch),
        )
        states = torch.stack(
            [
                # A modality that no song has is not computed.
                torch.where(there[:, None], F.normalize(embed(rate), dim=-1), null)
                if bool(there.any())
                else null
                for embed, there, null in zip(embeds, present.unbind(dim=1), parts, strict=True)
            ],
            dim=2,
        )
        there = present[:, :1].to(audio.kinds.dtype)
        kinds, novelty = audio.kinds * there, audio.novelty * there[:, 0]
        return MemberStates(states, present, self._cues(batch, novelty), kinds, novelty)

    def fuse(self, known: MemberStates) -> AffettiOutput:
        """Weight the states of each member with its gate, and classify their sum."""
        gates = self.weigh(known)
        return self.classify(torch.einsum("ksm,ksme->kse", gates, known.states), gates)

    def cues(self, batch: AffettiBatch) -> Tensor:
        """Cues about the reliability of the input, (songs, 2); 0 where a modality is missing.

        The first is the novelty of the audio, above 0 for unusual audio. The second is the match
        of the lyrics with title and artist, below 0 for lyrics of another song. Both are in
        standard deviations of training songs, and clipped.
        """
        there = batch.audio_mask.any(dim=1)
        return self._cues(batch, torch.where(there, self._pool_audio(batch).novelty, 0.0))

    def _cues(self, batch: AffettiBatch, novelty: Tensor) -> Tensor:
        return torch.stack([novelty, _likeness(batch)], dim=1).clamp(-_CUE_LIMIT, _CUE_LIMIT)

    def _pool_audio(self, batch: AffettiBatch) -> PooledAudio:
        """Pool the audio and relate it to its kind of music; zeros if no song has audio."""
        if not bool(batch.audio_mask.any()):
            nothing = batch.audio.new_zeros(len(batch.audio), 0)
            kinds = batch.audio.new_zeros(len(batch.audio), len(self.config.kinds))
            return PooledAudio(nothing, kinds, kinds[:, 0])
        several = batch.audio_mask.sum(dim=1) > 1
        pooled = torch.cat(masked_mean_and_std(batch.audio, batch.audio_mask), dim=1)
        audio: PooledAudio = self.statistics(pooled, several)
        return audio

    def scores(self, known: MemberStates) -> Tensor:
        """Gate scores (members, songs, 3) from the states, without the cues."""
        audio, lyrics, context = known.states.unbind(dim=2)
        pairs = torch.cat([audio * lyrics, audio * context, lyrics * context], dim=-1)
        scale = known.states.shape[-1] ** 0.5  # products of unit vectors are small
        seen = torch.cat([known.states.flatten(2), scale * pairs], dim=-1)
        scores: Tensor = self.gate(self._drop(seen, self.config.dropout))
        return scores

    def weigh(self, known: MemberStates) -> Tensor:
        """Gate weights (members, songs, 3); a missing modality has exactly 0."""
        scores = self.scores(known) + self.doubt(known.cues)
        context = scores[..., 2:] + self.config.context_shift
        scores = torch.cat([scores[..., :2], context], dim=-1)
        return F.softmax(scores.masked_fill(~known.present, -torch.inf), dim=-1)

    def _check(self, batch: AffettiBatch, present: Tensor) -> None:
        widths = tuple(part.shape[-1] for part in (batch.audio, batch.lyrics, batch.context))
        expected = (self.config.audio_dim, self.config.text_dim, self.config.text_dim)
        if widths != expected:
            raise ShapeError(
                f"audio, lyrics and context have widths {widths}, the network takes {expected}"
            )
        if not bool(present.any(dim=1).all()):
            raise ShapeError("a song of the batch has neither audio, lyrics nor context")

    def _drop(self, states: Tensor, rate: float) -> Tensor:
        """Apply dropout, different for each member."""
        if states.ndim == 2:
            states = states.expand(self.config.members, -1, -1)
        return F.dropout(states, rate, self.training)

    def _embed_audio(self, audio: PooledAudio, rate: float) -> Tensor:
        """Embed the pooled audio and its kind of music, (members, songs, share)."""
        columns = self._drop(audio.features, rate)
        kinds = _KIND_EMPHASIS * audio.kinds.expand(len(columns), -1, -1)
        embedded: Tensor = self.audio_in(torch.cat([columns, kinds], dim=2))
        return embedded

    def _embed_lyrics(self, batch: AffettiBatch, rate: float) -> Tensor:
        mean = self._drop(masked_mean(batch.lyrics, batch.lyrics_mask), rate)
        embedded: Tensor = self.lyrics_out(self._drop(F.gelu(self.lyrics_in(mean)), rate))
        return embedded

    def _embed_context(self, batch: AffettiBatch, rate: float) -> Tensor:
        mean = masked_mean(batch.context, batch.context_mask)
        embedded: Tensor = self.context_in(self._drop(mean, rate))
        return embedded

    def classify(self, parts: Tensor, gates: Tensor) -> AffettiOutput:
        """Compute the heads for weighted sums of states, or one modality: (members, songs, share).

        `gates` (members, songs, 3) pass through.
        """
        fused = F.normalize(parts, dim=-1)
        features = fused * fused.shape[-1] ** 0.5  # unit variance per coordinate, for the heads
        quadrant_logits = self.quadrant_head(features)
        nothing = features[..., :0]
        return AffettiOutput(
            fused_embedding=fused,
            quadrant_logits=quadrant_logits,
            cluster_logits=self.cluster_head(features),
            affect=torch.sigmoid(self.affect_head(features)),
            affect_spread=_side_deviation(quadrant_logits),
            emotion_logits=self.emotion_head(features),
            gems_logits=self.gems_head(features),
            gates=gates,
            felt=nothing,
            kinds=nothing,
            novelty=nothing,
            intervals=nothing,
        )


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the steps where `mask` is True; 0 if there is none.

    Parameters
    ----------
    states : (songs, steps, width) float Tensor
    mask : (songs, steps) bool Tensor

    Returns
    -------
    (songs, width) float Tensor
    """
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


def masked_mean_and_std(states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population standard deviation, (songs, width) each; input as `masked_mean`."""
    mean = masked_mean(states, mask)
    variance = masked_mean((states - mean.unsqueeze(1)) ** 2, mask)
    return mean, torch.sqrt(variance + 1e-8)


def device_of(name: str) -> torch.device:
    """Return the device of ``auto``, ``cpu`` or ``cuda``; InputError if there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"device {name!r}: use cpu, cuda or auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda': PyTorch finds no CUDA device here; use cpu or auto")
    return torch.device(name)
