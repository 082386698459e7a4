"""Time to analyse a four-minute MP3 on one CPU thread, by stage, compared with a naive way.

    python -m benchmarks.bench_analysis [--json] [--rounds N] [FILE]

Without FILE, it writes a stereo MP3 at 44.1 kHz. Both ways run alternately. The medians of all
rounds are printed, in time of the processor: on an idle machine that is the time by the clock.

================  ======================================  ====================================
stage             Affetti                                 naive
================  ======================================  ====================================
decode            the segments of the patches             the whole song, `librosa.load`
features          log-mel spectrogram of each patch       mel spectrogram of the whole song
audio networks    the filters that vary                   every patch and filter, layer by layer
text network      bfloat16 where the processor has it     float32
lyric lines       text without each shortlisted line      text without each line
================  ======================================  ====================================

The naive networks follow the source of ``musicnn``. Stages that are not listed are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import librosa
import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits

from benchmarks.gpu.section import CONTEXT, LYRIC
from mer.audio import patches as audio
from mer.audio.descriptors import described
from mer.audio.patches import MUSICNN
from mer.audio.tempo_and_key import tempo_and_key
from mer.batches import AffettiConfig
from mer.encoders.musicnn import MusicnnEncoder
from mer.encoders.text import TextEncoder, _has_bfloat16
from mer.encoders.tf_checkpoint import read_tensors
from mer.encoding import AUDIO_BLOCKS, DESCRIPTORS
from mer.errors import CheckpointError
from mer.explain import SHORTLIST, read_lines
from mer.files import package_folder
from mer.network import AffettiNetwork
from mer.pipeline import EmotionPipeline, PreparedSong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from mer.encoders.text import TokenStates

STAGES = (
    "decode", "features", "descriptors", "tempo and key", "audio networks", "text network",
    "fusion", "lyric lines",
)  # fmt: skip
NETWORKS = tuple(name for name in AUDIO_BLOCKS if name != DESCRIPTORS)


def write_song(path: Path, seconds: int = 240, sample_rate: int = 44_100, seed: int = 0) -> None:
    """Write chords, a beat and noise: an MP3 of an ordinary bit rate."""
    rng = np.random.default_rng(seed)
    with soundfile.SoundFile(path, "w", sample_rate, 2) as file:
        for second in range(seconds):
            clock = second + np.arange(sample_rate) / sample_rate
            root = 110 * 2 ** ((second // 2 * 5 % 12 + seed % 12) / 12)
            chord = sum(np.sin(2 * np.pi * root * ratio * clock) for ratio in (1, 1.25, 1.5, 4))
            beat = rng.standard_normal(sample_rate) * np.exp(-12 * (clock * 2 % 1))
            left, right = 0.1 * chord + 0.1 * beat, 0.1 * chord - 0.05 * beat
            file.write(np.stack([left, right], axis=1).astype(np.float32))


class Stopwatch:
    """Collects the seconds of each stage, run by run."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds.setdefault(name, []).append(time.process_time() - start)

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(runs) for name, runs in self.seconds.items()}


class Affetti:
    """The product's analysis, by stage."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.patches = audio.song_patches(path)
        self.audio_encoders = [MusicnnEncoder.from_pretrained(n) for n in NETWORKS]
        self.text_encoder = TextEncoder.from_pretrained().quicken()
        try:
            self.pipeline = EmotionPipeline.from_pretrained()
        except CheckpointError:  # no packaged checkpoint: an untrained network is as fast
            network = AffettiNetwork(AffettiConfig())
            self.pipeline = EmotionPipeline(network, "untrained", torch.device("cpu"))

    def run(self, watch: Stopwatch) -> None:
        half_window = MUSICNN.n_fft / 2 / MUSICNN.sample_rate
        with watch.stage("decode"):
            segments = audio.load_segments(
                self.path,
                (self.patches.start_seconds - half_window).tolist(),
                MUSICNN.patch_samples / MUSICNN.sample_rate,
            )
        with watch.stage("features"):
            log_mel = np.stack([audio._uncentred_log_mel(part, MUSICNN) for part in segments])
        np.testing.assert_array_equal(log_mel, self.patches.log_mel)
        with watch.stage("descriptors"):
            of_sound = described(segments)
        with watch.stage("tempo and key"):
            tempo_and_key(log_mel, of_sound.chroma)
        with watch.stage("audio networks"):
            encoded = [encoder.embed(torch.from_numpy(log_mel)) for encoder in self.audio_encoders]
        with watch.stage("text network"):
            texts = {text: self.text_encoder.encode([text]) for text in (LYRIC, CONTEXT)}
        # With encoders that return stored results, the rest of the pipeline is the fusion.
        for name, rows in zip(NETWORKS, encoded, strict=True):
            self.pipeline.encoder.audio_encoders[name] = _Known(embedded=rows)
        reader = _Known(texts=texts, encoder=self.text_encoder, watch=watch)
        self.pipeline.encoder.__dict__["text_encoder"] = reader
        with watch.stage("fusion"):
            self.pipeline.predict_prepared(
                [PreparedSong(self.patches, LYRIC, CONTEXT, of_sound.rows)]
            )
        watch.seconds["fusion"][-1] -= watch.seconds["lyric lines"][-1]  # lies within it


class _Known:
    """Returns stored results in place of an encoder; encodes only lyrics without a line."""

    def __init__(
        self,
        embedded: Tensor | None = None,
        texts: dict[str, TokenStates] | None = None,
        encoder: TextEncoder | None = None,
        watch: Stopwatch | None = None,
    ) -> None:
        self._embedded, self._texts = embedded, texts
        self._encoder, self._watch = encoder, watch

    def embed(self, log_mel: Tensor) -> Tensor | None:
        return self._embedded

    def encode(self, texts: list[str], max_tokens: int) -> TokenStates:
        if texts[0] in self._texts:
            (text,) = texts
            return self._texts[text]
        with self._watch.stage("lyric lines"):
            return self._encoder.encode(texts, max_tokens=max_tokens)


class Naive:
    """The naive analysis, by stage."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.networks = []
        for name in NETWORKS:
            folder = package_folder("musicnn", "") / name
            tensors = read_tensors(folder / ".index", folder / ".data-00000-of-00001")
            self.networks.append({key: torch.from_numpy(tensors[key]) for key in tensors})
        self.weights = self.networks[0]
        self.text_encoder = TextEncoder.from_pretrained()
        (offsets,) = self.text_encoder.encode([LYRIC]).offsets
        self.rests = [line.rest for line in read_lines(LYRIC, offsets)]

    def run(self, watch: Stopwatch) -> None:
        with watch.stage("decode"):
            waveform, _ = librosa.load(self.path, sr=16_000)
        with watch.stage("features"):
            mel = librosa.feature.melspectrogram(
                y=waveform, sr=16_000, n_fft=512, hop_length=256, n_mels=96
            )
            log_mel = np.log10(10_000 * mel.T + 1)
            count = len(log_mel) // 187
            patches = torch.from_numpy(log_mel[: count * 187].reshape(count, 187, 96))
        with watch.stage("audio networks"), torch.no_grad():
            for weights in self.networks:
                self.weights = weights
                self.output = torch.cat([self.network(patch[None]) for patch in patches])
        with watch.stage("text network"):
            for text in (LYRIC, CONTEXT):
                self.text_encoder.encode([text])
        with watch.stage("lyric lines"):
            for rest in self.rests:
                self.text_encoder.encode([rest])

    def network(self, log_mel: Tensor) -> Tensor:
        normalized = self.norm(log_mel[:, None], 0)  # (patches, 1, frames, mels)
        maps = []
        for index, frames in enumerate((7, 7, 128, 64, 32)):
            padded = F.pad(normalized, (0, 0, (frames - 1) // 2, frames // 2))
            maps.append(self.norm(self.conv(padded, index), index + 1).amax(dim=3))
        features = torch.cat(maps, dim=1)  # (patches, 561, frames)
        first = self.dense_conv(features, 5)
        second = self.dense_conv(first, 6) + first
        third = self.dense_conv(second, 7) + second
        stacked = torch.cat([features, first, second, third], dim=1)
        pooled = torch.stack([stacked.amax(dim=2), stacked.mean(dim=2)], dim=2).flatten(1)
        hidden = self.norm(pooled, 9) @ self.weights["dense/kernel"] + self.weights["dense/bias"]
        hidden = self.norm(F.relu(hidden), 10)
        logits = hidden @ self.weights["dense_1/kernel"] + self.weights["dense_1/bias"]
        return torch.sigmoid(logits)

    def dense_conv(self, features: Tensor, index: int) -> Tensor:
        image = F.pad(features.transpose(1, 2)[:, None], (0, 0, 3, 3))
        return self.norm(self.conv(image, index)[..., 0], index + 1)

    def conv(self, image: Tensor, index: int) -> Tensor:
        name = f"conv2d_{index}" if index else "conv2d"
        kernel = self.weights[f"{name}/kernel"].permute(3, 2, 0, 1)
        return F.relu(F.conv2d(image, kernel, self.weights[f"{name}/bias"]))

    def norm(self, maps: Tensor, index: int) -> Tensor:
        name = f"batch_normalization_{index}" if index else "batch_normalization"
        mean, variance, gamma, beta = (
            self.weights[f"{name}/{part}"]
            for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return F.batch_norm(maps, mean, variance, gamma, beta, eps=1e-3)


def check_networks_agree(ours: Affetti, naive: Naive) -> None:
    log_mel = torch.from_numpy(ours.patches.log_mel[:1])
    for weights, encoder in zip(naive.networks, ours.audio_encoders, strict=True):
        naive.weights = weights
        torch.testing.assert_close(naive.network(log_mel), encoder(log_mel).tags, rtol=0, atol=1e-5)


def measure(path: Path, rounds: int) -> dict[str, object]:
    ways = {"affetti": Affetti(path), "naive": Naive(path)}
    for way in ways.values():
        way.run(Stopwatch())  # imports, caches and tables
    check_networks_agree(ways["affetti"], ways["naive"])
    watches = {name: Stopwatch() for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            way.run(watches[name])
    patches = {"affetti": len(ways["affetti"].patches.log_mel), "naive": len(ways["naive"].output)}
    return {
        "seconds": {name: watch.medians() for name, watch in watches.items()},
        "patches": patches,
        "lines": len(ways["naive"].rests),
        "song_seconds": ways["affetti"].patches.duration_seconds,
        "rounds": rounds,
        "machine": machine(),
        "model_version": ways["affetti"].pipeline.model_version,
    }


def machine() -> str:
    """Say what the run was on."""
    half = "with" if _has_bfloat16() else "without"
    amx = "AMX" if torch.cpu._is_amx_tile_supported() else "no AMX"
    return (
        f"{platform.machine()} {half} bfloat16, {amx}, one of {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.0f}"
    )


def table(result: dict[str, object]) -> str:
    ours, naive = result["seconds"]["affetti"], result["seconds"]["naive"]
    lines = ["| stage | Affetti, ms | naive, ms | ratio |", "|---|--:|--:|--:|"]
    for stage in STAGES:
        if stage in naive:
            ratio = f"{naive[stage] / ours[stage]:.1f}"
            lines.append(
                f"| {stage} | {1e3 * ours[stage]:.0f} | {1e3 * naive[stage]:.0f} | {ratio} |"
            )
        else:
            lines.append(f"| {stage} | {1e3 * ours[stage]:.0f} | the same | |")
    shared = sum(ours[stage] for stage in STAGES if stage not in naive)
    totals = sum(ours.values()), sum(naive.values()) + shared
    ratio = f"{totals[1] / totals[0]:.1f}"
    lines.append(f"| **all** | **{1e3 * totals[0]:.0f}** | **{1e3 * totals[1]:.0f}** | {ratio} |")
    patches = result["patches"]
    note = (
        f"{result['song_seconds']:.0f} s of MP3; {patches['affetti']} patches encoded against "
        f"{patches['naive']}, {SHORTLIST} lines removed against {result['lines']}; medians of "
        f"{result['rounds']} rounds; {result['machine']}."
    )
    lines += ["", note]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", help="an audio file of your own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)  # librosa.load imports old modules
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.file or Path(folder, "song.mp3")
        if arguments.file is None:
            write_song(path)
        torch.set_num_threads(1)
        with threadpool_limits(1):
            result = measure(path, arguments.rounds)
    print(json.dumps(result) if arguments.json else table(result))


if __name__ == "__main__":
    main()
