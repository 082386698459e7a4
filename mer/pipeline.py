"""Predicts the emotion of songs and texts: encoders, house network, timeline, lyric lines.

Each point of the timeline is a prediction of the network for one passage: an audio patch with its
neighbours on either side, and the lyrics and context of the whole song. Valence and arousal of
the points are then shifted by a constant, so that their mean is the prediction for the song.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from mer import checkpoint
from mer.affect import EMOTIONS, GEMS, QUADRANTS
from mer.audio.patches import song_patches
from mer.audio.tempo_and_key import descriptors_and_estimate
from mer.batches import AffettiConfig, AffettiOutput, collate, like_lengths
from mer.encoders.low_rank import unbundled
from mer.encoding import SongEncoder
from mer.errors import CheckpointCorruptError, InputError, LyricsError, NotFiniteError
from mer.explain import anchored, passages, read_lines, shortlist, strongest_lines, without_each
from mer.lyrics import (
    MAX_LYRICS_BYTES,
    clean_lyrics,
    context_text,
    readable_lyrics,
    withheld_note,
)
from mer.network import AffettiNetwork, device_of
from mer.prediction import MODALITIES, EmotionPrediction, SongInput, TimelinePoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from mer.audio.patches import AudioPatches
    from mer.encoding import EncodedText
    from mer.explain import ReadLine
    from mer.prediction import LyricLine, TempoAndKey

_BATCH_ROWS: Final = 128
"""Songs and passages in one batch of the network."""


@dataclass(frozen=True, slots=True)
class PreparedSong:
    """A decoded and cleaned song, ready for the networks. At least one modality is present.

    Parameters
    ----------
    patches : AudioPatches or None
    lyrics, context : str or None
        Not blank.
    descriptors : (patches, 69) float32 ndarray or None
        Of `mer.audio.descriptors.describe`; required with patches.
    lyric_places : tuple of int
        Of `mer.lyrics.ReadableLyrics`, if lines were left out; empty stands for all lines.
    lyrics_language, are_lyrics_withheld, tempo_and_key
        As in `EmotionPrediction`.
    """

    patches: AudioPatches | None = None
    lyrics: str | None = None
    context: str | None = None
    descriptors: NDArray[np.float32] | None = None
    lyric_places: tuple[int, ...] = ()
    lyrics_language: str | None = None
    are_lyrics_withheld: bool = False
    tempo_and_key: TempoAndKey | None = None


@dataclass(frozen=True, slots=True)
class _Features:
    """Encoded song: audio (patches, 1825), lyrics and context (tokens, 384) each."""

    audio: Tensor | None
    lyrics: Tensor | None
    context: Tensor | None
    lines: Sequence[ReadLine] = ()


class EmotionPipeline:
    """Predicts the emotion of songs and texts. Make it with `from_pretrained`.

    Each encoder is loaded when it is first used: text alone never loads MusiCNN.
    The other songs of a batch change a prediction by rounding only: by less than 1e-5, or 1e-4 on
    a processor that encodes texts in bfloat16.

    Parameters
    ----------
    network : AffettiNetwork
    model_version : str
        Written to every prediction.
    device : torch.device
    adapter : mapping of str to Tensor or None
        Low-rank corrections of the text encoder.

    Examples
    --------
    >>> from mer import EmotionPipeline
    >>> pipeline = EmotionPipeline.from_pretrained()
    >>> prediction = pipeline.predict_text("The night is long and I am far from home")
    >>> prediction.quadrant
    <Quadrant.Q3: 'Q3'>
    >>> prediction.gates["lyrics"]
    1.0

    See Also
    --------
    mer.research.house.trainer : How the network is trained.
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
        self.encoder = SongEncoder(device, adapter)
        self._threads = 1
        self._network = network.to(device).eval().requires_grad_(requires_grad=False)

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = "affetti", *, device: str = "cpu") -> Self:
        """Load a checkpoint.

        Parameters
        ----------
        name_or_path : str or Path
            Name of a packaged checkpoint, or path of a ``.safetensors`` file.
        device : {'cpu', 'cuda', 'auto'}
            ``auto`` is ``cuda`` if PyTorch finds a CUDA device, else ``cpu``.

        Returns
        -------
        EmotionPipeline

        Raises
        ------
        CheckpointError
            If it is absent, damaged, of another format, or of another network.
        InputError
            If the device is unknown or not available.
        """
        chosen = device_of(device)
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

    def share_out(self, threads: int) -> Self:
        """Compute several songs of a batch at once on the CPU, each on one core.

        PyTorch's own threads share every layer of a song, and wait for each other after each; on
        a busy machine they wait long. PyTorch is set to one thread in this process.

        Parameters
        ----------
        threads : int
            Songs at once, at least 1. On a GPU the batch stays whole.

        Returns
        -------
        EmotionPipeline
            This one.
        """
        torch.set_num_threads(1)
        self._threads = threads if self.device.type == "cpu" else 1
        return self

    def prepare(self, song: SongInput) -> PreparedSong:
        """Decode and clean one song; computes descriptors, runs no network.

        Parameters
        ----------
        song : SongInput

        Returns
        -------
        PreparedSong
            Lyrics count as missing if nothing of them is left after cleaning, or if they are in a
            language that the model was not trained on.

        Raises
        ------
        AudioError
            If the file cannot be used.
        LyricsError
            If the lyrics are longer than `MAX_LYRICS_BYTES`, or if the song has nothing but lyrics
            in a language that the model was not trained on.
        InputError
            If the song has neither audio, lyrics, title nor artist.
        """
        if song.lyrics is not None and len(song.lyrics) > MAX_LYRICS_BYTES:
            raise LyricsError(
                f"lyrics of {len(song.lyrics)} characters; give at most {MAX_LYRICS_BYTES}"
            )
        patches = song_patches(song.path) if song.path is not None else None
        found = (None, None) if patches is None else descriptors_and_estimate(patches)
        lyrics = readable_lyrics(song.lyrics or "")
        prepared = PreparedSong(
            patches=patches,
            descriptors=found[0],
            lyrics=lyrics.text or None,
            context=context_text(song.title, song.artist) or None,
            lyric_places=lyrics.places,
            lyrics_language=lyrics.language,
            are_lyrics_withheld=lyrics.are_withheld,
            tempo_and_key=found[1],
        )
        if prepared.patches is None and not (prepared.lyrics or prepared.context):
            if lyrics.are_withheld:
                raise LyricsError(withheld_note(lyrics.language, is_used=False))
            raise InputError("the song is empty: give a file, lyrics, a title or an artist")
        return prepared

    def predict_prepared(self, songs: Sequence[PreparedSong]) -> list[EmotionPrediction]:
        """Predict prepared songs as one batch, or as many as `share_out` allows.

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
            If the package of a needed encoder is not installed.
        NotFiniteError
            If a value that is not finite comes out for one of the songs.
        """
        if (count := min(self._threads, len(songs))) < 2:
            return self._predict_batch(songs)
        parts = [songs[part * len(songs) // count : (part + 1) * len(songs) // count]
                 for part in range(count)]  # fmt: skip
        with ThreadPoolExecutor(count, thread_name_prefix="songs") as threads:
            return [one for part in threads.map(self._predict_batch, parts) for one in part]

    @torch.inference_mode()
    def _predict_batch(self, songs: Sequence[PreparedSong]) -> list[EmotionPrediction]:
        if not songs:
            return []
        features = self._encode(songs)
        rows: list[_Features] = []
        for feature in features:
            rows += [feature, *_each_alone(feature).values(), *_passages(feature)]
        output = self._run_network(rows)
        predictions = []
        start = 0
        for song, feature, lines in zip(songs, features, self._lyric_lines(features), strict=True):
            alone = tuple(_each_alone(feature))
            patches = 0 if feature.audio is None else len(feature.audio)
            stop = start + 1 + len(alone) + patches
            predictions.append(self._prediction(song, alone, _slice(output, start, stop), lines))
            start = stop
        return predictions

    def predict(self, songs: Sequence[SongInput]) -> list[EmotionPrediction]:
        """Prepare and predict songs.

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
            As `prepare`, for the first song that cannot be prepared; as `predict_prepared`.
        """
        return self.predict_prepared([self.prepare(song) for song in songs])

    def predict_text(self, text: str) -> EmotionPrediction:
        """Predict a word, a sentence or whole lyrics alone.

        Parameters
        ----------
        text : str

        Returns
        -------
        EmotionPrediction
            Without timeline. The gate of the lyrics is 1.

        Raises
        ------
        InputError
            If the text is blank.
        LyricsError
            If it is longer than `MAX_LYRICS_BYTES`.
        EncoderMissingError
            If the package of the text encoder is not installed.
        CheckpointError
            If the text adapter of the checkpoint belongs to another encoder.
        """
        if not text.strip():
            raise InputError("the text is blank; give at least one word")
        if len(text) > MAX_LYRICS_BYTES:
            raise LyricsError(f"text of {len(text)} characters; give at most {MAX_LYRICS_BYTES}")
        # Cleaning removes words that are headings in lyrics, such as "instrumental".
        prepared = PreparedSong(lyrics=clean_lyrics(text) or text.strip())
        return self.predict_prepared([prepared])[0]

    def _encode(self, songs: Sequence[PreparedSong]) -> list[_Features]:
        lyrics = self._encode_texts([song.lyrics for song in songs])
        contexts = self._encode_texts([song.context for song in songs])
        return [
            _Features(
                audio,
                None if lyric is None else lyric.states,
                None if context is None else context.states,
                () if lyric is None else _read_lines(song, lyric.offsets),
            )
            for song, audio, lyric, context in zip(
                songs, self._encode_audio(songs), lyrics, contexts, strict=True
            )
        ]

    def _encode_audio(self, songs: Sequence[PreparedSong]) -> list[Tensor | None]:
        present = [
            (song.patches, song.descriptors)
            for song in songs
            if song.patches is not None and song.descriptors is not None
        ]
        if len(present) < sum(song.patches is not None for song in songs):
            raise InputError("a song has patches without descriptors; make it with `prepare`")
        rows = iter(self.encoder.audio([p for p, _ in present], [d for _, d in present]))
        return [None if song.patches is None else next(rows) for song in songs]

    def _encode_texts(self, texts: Sequence[str | None]) -> list[EncodedText | None]:
        encoded = iter(self.encoder.texts([text for text in texts if text is not None]))
        return [None if text is None else next(encoded) for text in texts]

    def _run_network(self, rows: Sequence[_Features]) -> AffettiOutput:
        outputs = []
        order: list[int] = []
        lengths = [0 if row.audio is None else len(row.audio) for row in rows]
        for indices in like_lengths(lengths, _BATCH_ROWS):
            part = [rows[index] for index in indices]
            batch = collate(
                [row.audio for row in part],
                [row.lyrics for row in part],
                [row.context for row in part],
                self._network.config,
            )
            moved = type(batch)(*(tensor.to(self.device) for tensor in batch))
            outputs.append(AffettiOutput(*(tensor.cpu() for tensor in self._network(moved))))
            order += indices
        places = torch.tensor(order).argsort()
        return AffettiOutput(*(torch.cat(column)[places] for column in zip(*outputs, strict=True)))

    def _lyric_lines(self, songs: Sequence[_Features]) -> list[tuple[LyricLine, ...]]:
        """Find the most important lines of each song; encodes the shortened lyrics as one batch."""
        chosen = [self._shortlist(song) for song in songs]
        rests = iter(self.encoder.texts([line.rest for lines in chosen for line in lines]))
        strongest = []
        for song, lines in zip(songs, chosen, strict=True):
            deleted = [replace(song, lyrics=next(rests).states) for _ in lines]
            output = self._run_network([song, *deleted]) if lines else None
            strongest.append(() if output is None else strongest_lines(output, lines))
        return strongest

    def _shortlist(self, song: _Features) -> list[ReadLine]:
        if song.lyrics is None or len(song.lines) < 2:  # a single line has nothing to rank against
            return []
        left_out = without_each(self._network, song.audio, song.lyrics, song.context, song.lines)
        return shortlist(left_out, song.lines)

    def _prediction(
        self,
        song: PreparedSong,
        alone: Sequence[str],
        output: AffettiOutput,
        lines: tuple[LyricLine, ...],
    ) -> EmotionPrediction:
        """Convert the outputs for the song, then for modalities alone, then for its passages."""
        if not all(tensor.isfinite().all() for tensor in output):
            raise NotFiniteError("the prediction is not finite; check the song's audio and lyrics")
        valence, arousal = output.affect[0].double().tolist()
        points = anchored(output.affect[1 + len(alone) :], output.affect[0]).tolist()
        places = output.affect[1 : 1 + len(alone)].double().tolist()
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
            alone={name: (place[0], place[1]) for name, place in zip(alone, places, strict=True)},
            felt=dict(zip(GEMS, output.felt[0].double().tolist(), strict=False)),
            lyrics_language=song.lyrics_language,
            are_lyrics_withheld=song.are_lyrics_withheld,
            tempo_and_key=song.tempo_and_key,
            **self._of_audio(song, output),
            **_intervals(output),
        )

    def _of_audio(self, song: PreparedSong, output: AffettiOutput) -> dict[str, Any]:
        """Return kinds and novelty of a song with audio, if the checkpoint has them."""
        if song.patches is None:
            return {}
        shares = zip(self._network.config.kinds, output.kinds[0].double().tolist(), strict=True)
        novelty = output.novelty[0].double().tolist()
        return {"kinds": dict(shares), "novelty": novelty[0] if novelty else None}


def has_gpu() -> bool:
    """Return whether PyTorch finds a CUDA device."""
    return torch.cuda.is_available()


def gpu_memory_bytes() -> dict[str, int]:
    """Return ``total`` and ``used`` of the CUDA device in use, and this process's ``peak``."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return {}
    free, total = torch.cuda.mem_get_info()
    return {"total": total, "used": total - free, "peak": torch.cuda.max_memory_allocated()}


def _read_lines(song: PreparedSong, offsets: Tensor) -> list[ReadLine]:
    """Find the lines of the lyrics, numbered as in the lyrics with the withheld ones."""
    lines = read_lines(song.lyrics or "", offsets)
    if not song.lyric_places:
        return lines
    return [replace(line, line=song.lyric_places[line.line]) for line in lines]


def _each_alone(song: _Features) -> dict[str, _Features]:
    """One input for each modality that a song has, without the others."""
    alone = {
        "audio": _Features(song.audio, None, None),
        "lyrics": _Features(None, song.lyrics, None),
        "context": _Features(None, None, song.context),
    }
    return {name: alone[name] for name in MODALITIES if getattr(song, name) is not None}


def _passages(song: _Features) -> list[_Features]:
    """One input for each patch of a song, with only the audio of that passage."""
    if song.audio is None:
        return []
    return [_Features(passage, song.lyrics, song.context) for passage in passages(song.audio)]


def _intervals(output: AffettiOutput) -> dict[str, Any]:
    bounds = output.intervals[0].double().tolist()
    if not bounds:
        return {}
    return {
        "valence_interval": (bounds[0], bounds[1]),
        "arousal_interval": (bounds[2], bounds[3]),
    }


def _slice(output: AffettiOutput, start: int, stop: int) -> AffettiOutput:
    return AffettiOutput(*(tensor[start:stop] for tensor in output))
