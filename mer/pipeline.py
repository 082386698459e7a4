"""From songs and sentences to emotion predictions: encoders, house network, timeline.

The timeline hears the song through a window: each patch with its neighbours on either side goes
through the network as the only audio, with the lyrics and the context of the whole song. What it
says of the windows is then moved so that their mean is the song's own valence and arousal.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import torch

from mer import checkpoint
from mer.affect import EMOTIONS, QUADRANTS
from mer.audio.descriptors import describe
from mer.audio.patches import song_patches
from mer.encoders.low_rank import unbundled
from mer.encoders.musicnn import AUDIO_ENCODER, SECOND_AUDIO_ENCODER, MusicnnEncoder
from mer.encoders.text import MAX_TOKENS, TEXT_ENCODER, TextEncoder
from mer.errors import CheckpointCorruptError, InputError, LyricsError
from mer.explain import anchored, passages, read_lines, shortlist, strongest_lines, without_each
from mer.lyrics import MAX_LYRICS_BYTES, clean_lyrics, context_text
from mer.network import AffettiConfig, AffettiNetwork, AffettiOutput, collate
from mer.prediction import MODALITIES, EmotionPrediction, SongInput, TimelinePoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from mer.audio.patches import AudioPatches
    from mer.explain import ReadLine
    from mer.prediction import LyricLine

_BATCH_ROWS: Final = 128
"""Songs and windows that pass through the network, and texts through their encoder, at once."""


@dataclass(frozen=True, slots=True)
class PreparedSong:
    """A song decoded and cleaned, ready for the networks; at least one part is present.

    Parameters
    ----------
    patches : AudioPatches or None
    lyrics, context : str or None
        Not blank.
    descriptors : (patches, 69) float32 ndarray or None
        Of `mer.audio.descriptors`; there whenever patches are.
    """

    patches: AudioPatches | None = None
    lyrics: str | None = None
    context: str | None = None
    descriptors: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class _Features:
    """What the frozen encoders make of one song: rows of (patches, 3581) and (tokens, 384)."""

    audio: Tensor | None
    lyrics: Tensor | None
    context: Tensor | None
    lines: Sequence[ReadLine] = ()


class _Text(NamedTuple):
    """Rows of (tokens, 384) of one text, and where in it each token is (tokens, 2)."""

    states: Tensor
    offsets: Tensor


class EmotionPipeline:
    """Predicts emotions of songs and texts; make it with `from_pretrained`.

    The encoders are loaded when first needed, so one that only reads text never loads MusiCNN.
    Predictions do not depend on what else is in the batch, but for rounding (below 1e-5).
    """

    def __init__(
        self,
        network: AffettiNetwork,
        model_version: str,
        device: torch.device,
        adapter: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.model_version = model_version
        self.device = device
        self._adapter = adapter or {}
        self._network = network.to(device).eval().requires_grad_(requires_grad=False)

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = "affetti", *, device: str = "cpu") -> Self:
        """Load a checkpoint.

        Parameters
        ----------
        name_or_path : str or Path
            Name of a packaged checkpoint, or path of a ``.safetensors`` file.
        device : {'cpu', 'cuda', 'auto'}
            ``auto`` is ``cuda`` where there is one.

        Returns
        -------
        EmotionPipeline

        Raises
        ------
        CheckpointError
            If it is absent, damaged, of another format, or of another network.
        InputError
            If the device is none of these, or not there.
        """
        chosen = _device(device)
        is_file = isinstance(name_or_path, Path) or name_or_path.endswith(".safetensors")
        path = Path(name_or_path) if is_file else checkpoint.packaged_path(str(name_or_path))
        state, config = checkpoint.load(path)
        weights, adapter = unbundled(state)
        try:
            network = AffettiNetwork(AffettiConfig(**config))
            network.load_state_dict(weights)
        except (TypeError, RuntimeError) as error:
            raise CheckpointCorruptError(
                f"{path}: its weights or configuration are not of this network; "
                "use the release that wrote it, or train the model anew"
            ) from error
        return cls(network, path.stem, chosen, adapter)

    def prepare(self, song: SongInput) -> PreparedSong:
        """Decode and clean one song, without any network.

        Parameters
        ----------
        song : SongInput

        Returns
        -------
        PreparedSong
            Lyrics that hold no sung word count as missing.

        Raises
        ------
        AudioError
            If the file cannot be used.
        LyricsError
            If the lyrics are longer than `MAX_LYRICS_BYTES`.
        InputError
            If the song has neither audio, lyrics, title nor artist.
        """
        if song.lyrics is not None and len(song.lyrics) > MAX_LYRICS_BYTES:
            raise LyricsError(
                f"lyrics of {len(song.lyrics)} characters; give at most {MAX_LYRICS_BYTES}"
            )
        patches = song_patches(song.path) if song.path is not None else None
        prepared = PreparedSong(
            patches=patches,
            descriptors=None if patches is None else describe(patches.segments),
            lyrics=clean_lyrics(song.lyrics or "") or None,
            context=context_text(song.title, song.artist) or None,
        )
        if prepared.patches is None and not (prepared.lyrics or prepared.context):
            raise InputError("nothing to judge: give a file, lyrics, a title or an artist")
        return prepared

    @torch.inference_mode()
    def predict_prepared(self, songs: Sequence[PreparedSong]) -> list[EmotionPrediction]:
        """Judge prepared songs, each network once for all of them.

        Parameters
        ----------
        songs : sequence of PreparedSong

        Returns
        -------
        list of EmotionPrediction
            In the order of `songs`.

        Raises
        ------
        EncoderMissingError
            If the package of an encoder that is needed is not installed.
        """
        if not songs:
            return []
        features = self._encode(songs)
        rows: list[_Features] = []
        for feature in features:
            rows += [feature, *_windows(feature)]
        output = self._judge(rows)
        predictions = []
        start = 0
        for song, feature, lines in zip(songs, features, self._lyric_lines(features), strict=True):
            stop = start + 1 + (0 if feature.audio is None else len(feature.audio))
            predictions.append(self._prediction(song, _slice(output, start, stop), lines))
            start = stop
        return predictions

    def predict(self, songs: Sequence[SongInput]) -> list[EmotionPrediction]:
        """Prepare and judge songs.

        Parameters
        ----------
        songs : sequence of SongInput

        Returns
        -------
        list of EmotionPrediction
            In the order of `songs`.

        Raises
        ------
        MerError
            Of the first song that cannot be prepared, as `prepare`; or as `predict_prepared`.
        """
        return self.predict_prepared([self.prepare(song) for song in songs])

    def predict_text(self, text: str) -> EmotionPrediction:
        """Judge a word, a sentence or a lyric sheet by itself.

        Parameters
        ----------
        text : str

        Returns
        -------
        EmotionPrediction
            Without timeline; its whole weight is on the lyrics.

        Raises
        ------
        InputError
            If it is blank.
        LyricsError
            If it is longer than `MAX_LYRICS_BYTES`.
        EncoderMissingError
            If the text encoder's package is not installed.
        CheckpointError
            If the checkpoint's text adapter is of another encoder.
        """
        if not text.strip():
            raise InputError("the text is blank; give at least one word")
        if len(text) > MAX_LYRICS_BYTES:
            raise LyricsError(f"text of {len(text)} characters; give at most {MAX_LYRICS_BYTES}")
        # Someone may well type a word that would be a heading in lyrics, such as "instrumental".
        prepared = PreparedSong(lyrics=clean_lyrics(text) or text.strip())
        return self.predict_prepared([prepared])[0]

    @functools.cached_property
    def _audio_encoder(self) -> MusicnnEncoder:
        return MusicnnEncoder.from_pretrained(AUDIO_ENCODER).to(self.device)

    @functools.cached_property
    def _second_audio_encoder(self) -> MusicnnEncoder:
        return MusicnnEncoder.from_pretrained(SECOND_AUDIO_ENCODER).to(self.device)

    @functools.cached_property
    def _text_encoder(self) -> TextEncoder:
        return TextEncoder.from_pretrained(TEXT_ENCODER).adapt(self._adapter).to(self.device)

    def _encode(self, songs: Sequence[PreparedSong]) -> list[_Features]:
        sung = self._encode_texts([song.lyrics for song in songs])
        named = self._encode_texts([song.context for song in songs])
        return [
            _Features(
                audio,
                None if lyrics is None else lyrics.states,
                None if context is None else context.states,
                () if lyrics is None else read_lines(song.lyrics or "", lyrics.offsets),
            )
            for song, audio, lyrics, context in zip(
                songs, self._encode_audio(songs), sung, named, strict=True
            )
        ]

    def _encode_audio(self, songs: Sequence[PreparedSong]) -> list[Tensor | None]:
        heard = [(song.patches, song.descriptors) for song in songs]
        present = [(p.log_mel, d) for p, d in heard if p is not None and d is not None]
        if len(present) < sum(patches is not None for patches, _ in heard):
            raise InputError("a song has patches without descriptors; make it with `prepare`")
        if not present:
            return [None] * len(songs)
        log_mel = torch.cat([torch.from_numpy(patches) for patches, _ in present]).to(self.device)
        embedded = torch.cat(
            [
                self._audio_encoder.embed(log_mel).cpu(),
                self._second_audio_encoder.embed(log_mel).cpu(),
                torch.cat([torch.from_numpy(descriptors) for _, descriptors in present]),
            ],
            dim=1,
        )
        rows = iter(torch.split(embedded, [len(patches) for patches, _ in present]))
        return [None if patches is None else next(rows) for patches, _ in heard]

    def _encode_texts(self, texts: Sequence[str | None]) -> list[_Text | None]:
        encoded = iter(self._encode_all([text for text in texts if text is not None]))
        return [None if text is None else next(encoded) for text in texts]

    def _encode_all(self, texts: Sequence[str]) -> list[_Text]:
        # Like lengths together: little padding.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        encoded: dict[int, _Text] = {}
        for start in range(0, len(order), _BATCH_ROWS):
            indices = order[start : start + _BATCH_ROWS]
            batch = self._text_encoder.encode(
                [texts[index] for index in indices], max_tokens=MAX_TOKENS
            )
            states, mask, offsets = (
                part.cpu() for part in (batch.states, batch.mask, batch.offsets)
            )
            for row, index in enumerate(indices):
                encoded[index] = _Text(states[row][mask[row]], offsets[row][mask[row]])
        return [encoded[index] for index in range(len(texts))]

    def _judge(self, rows: Sequence[_Features]) -> AffettiOutput:
        outputs = []
        for start in range(0, len(rows), _BATCH_ROWS):
            part = rows[start : start + _BATCH_ROWS]
            batch = collate(
                [row.audio for row in part],
                [row.lyrics for row in part],
                [row.context for row in part],
                self._network.config,
            )
            moved = type(batch)(*(tensor.to(self.device) for tensor in batch))
            outputs.append(AffettiOutput(*(tensor.cpu() for tensor in self._network(moved))))
        return AffettiOutput(*(torch.cat(column) for column in zip(*outputs, strict=True)))

    def _lyric_lines(self, songs: Sequence[_Features]) -> list[tuple[LyricLine, ...]]:
        """Name lines of each song; those of all songs are deleted, and read, together."""
        chosen = [self._shortlist(song) for song in songs]
        rests = iter(self._encode_all([line.rest for lines in chosen for line in lines]))
        named = []
        for song, lines in zip(songs, chosen, strict=True):
            deleted = [replace(song, lyrics=next(rests).states) for _ in lines]
            named.append(strongest_lines(self._judge([song, *deleted]), lines) if lines else ())
        return named

    def _shortlist(self, song: _Features) -> list[ReadLine]:
        if song.lyrics is None or len(song.lines) < 2:  # one line is all that there is to say
            return []
        left_out = without_each(self._network, song.audio, song.lyrics, song.context, song.lines)
        return shortlist(left_out, song.lines)

    def _prediction(
        self, song: PreparedSong, output: AffettiOutput, lines: tuple[LyricLine, ...]
    ) -> EmotionPrediction:
        """Read the outputs of the whole song, which come first, and of its windows."""
        valence, arousal = output.affect[0].double().tolist()
        points = anchored(output.affect[1:], output.affect[0]).tolist()
        valence_spread, arousal_spread = output.affect_spread[0].double().tolist()
        quadrants = output.quadrant_logits[0].double().softmax(dim=0).tolist()
        emotions = output.emotion_logits[0].double().softmax(dim=0).tolist()
        confidence = max(quadrants)
        starts = [] if song.patches is None else song.patches.start_seconds.tolist()
        return EmotionPrediction(
            model_version=self.model_version,
            valence=valence,
            arousal=arousal,
            valence_spread=valence_spread,
            arousal_spread=arousal_spread,
            quadrant=QUADRANTS[quadrants.index(confidence)],
            quadrants=dict(zip(QUADRANTS, quadrants, strict=True)),
            emotions=dict(zip(EMOTIONS, emotions, strict=True)),
            confidence=confidence,
            gates=dict(zip(MODALITIES, output.gates[0].double().tolist(), strict=True)),
            timeline=tuple(
                TimelinePoint(start, *point) for start, point in zip(starts, points, strict=True)
            ),
            fused_embedding=output.fused_embedding[0].numpy().copy(),
            duration_seconds=None if song.patches is None else song.patches.duration_seconds,
            lyric_lines=lines,
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"device {name!r}: use cpu, cuda or auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda': PyTorch finds no CUDA device here; use cpu or auto")
    return torch.device(name)


def _windows(song: _Features) -> list[_Features]:
    """Each patch of a song with its neighbours on either side, as the only audio."""
    if song.audio is None:
        return []
    return [_Features(passage, song.lyrics, song.context) for passage in passages(song.audio)]


def _slice(output: AffettiOutput, start: int, stop: int) -> AffettiOutput:
    return AffettiOutput(*(tensor[start:stop] for tensor in output))
