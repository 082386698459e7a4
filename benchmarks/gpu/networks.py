"""Songs a second from log-mel on the device: encoders and house network, in several precisions."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import time
import traceback
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.gpu.front_end import FusedMusicnn, UnfoldedMusicnn, widened
from benchmarks.gpu.section import CONTEXT, LYRIC, Card, song, started
from mer.audio.descriptors import describe
from mer.audio.patches import MAX_PATCHES, AudioPatches, waveform_patches
from mer.batches import AffettiBatch, AffettiOutput
from mer.encoders.musicnn import MusicnnEncoder
from mer.encoding import AUDIO_BLOCKS, DESCRIPTORS
from mer.pipeline import EmotionPipeline, PreparedSong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from benchmarks.gpu.section import Section
    from mer.network import AffettiNetwork

NAMES: Final = tuple(name for name in AUDIO_BLOCKS if name != DESCRIPTORS)
TEN: Final = 10
GOAL: Final = 10_000
_TILES: Final = ((32, 128, 64, 4, 3), (32, 256, 64, 8, 3), (128, 128, 64, 4, 3))
"""Filters, positions, depth, warps and stages of the kernel; the first is used."""
_SECONDS: Final = 165
"""When the last step ends, counted from the start of the section."""


class Songs(NamedTuple):
    """Songs as the networks take them: log-mel (songs, patches, 187, 96) and descriptors."""

    log_mel: Tensor
    descriptors: Tensor


class Encoder(NamedTuple):
    """A way to compute the frozen encoders: one `embed` for each of `NAMES`."""

    name: str
    embeds: Sequence[Callable[[Tensor], Tensor]]
    chunk: int
    """Patches in one batch."""


def made_songs(count: int, patches: int) -> Songs:
    """Songs of half a minute for as many patches, without files."""
    seconds = max(35.0, 3.1 * patches)
    found = [
        waveform_patches(song(seed, seconds).mean(axis=1), max_patches=patches)
        for seed in range(count)
    ]
    return Songs(
        torch.from_numpy(np.stack([one.log_mel for one in found])),
        torch.from_numpy(np.stack([describe(one.segments) for one in found])),
    )


def encoded(encoder: Encoder, songs: Songs) -> Tensor:
    """Encode songs as (songs, patches, columns) on the device."""
    patches = songs.log_mel.flatten(0, 1)
    blocks = [
        torch.cat([embed(part) for part in torch.split(patches, encoder.chunk)])
        for embed in encoder.embeds
    ]
    rows = torch.cat([*blocks, songs.descriptors.flatten(0, 1)], dim=1)
    return rows.view(*songs.log_mel.shape[:2], -1)


def predicted(network: AffettiNetwork, audio: Tensor) -> AffettiOutput:
    """Predict songs from their encoded audio, with no text."""
    songs = len(audio)
    nothing = audio.new_zeros(songs, 1, network.config.text_dim)
    absent = torch.zeros(songs, 1, dtype=torch.bool, device=audio.device)
    present = torch.ones(audio.shape[:2], dtype=torch.bool, device=audio.device)
    output: AffettiOutput = network(AffettiBatch(audio, present, nothing, absent, nothing, absent))
    return output


def gflop(encoder: MusicnnEncoder) -> float:
    """Floating-point operations of one patch in GFLOP, a product and a sum being two."""
    total = 0
    for conv in (*encoder.front_convs, *encoder.dense_convs):
        filters, _, frames, features = conv.weight.shape
        width = 96 if conv in list(encoder.front_convs) else conv.weight.shape[3]
        total += 2 * 187 * (width - features + 1) * frames * features * filters
    total += 2 * encoder.hidden_weight.numel() + 2 * encoder.tag_weight.numel()
    return total / 1e9


def ceilings(section: Section) -> tuple[float, float]:
    """Measure TFLOP/s of a large half-precision product and TB/s of a copy, and say them."""
    size = 256 if section.is_quick else 8192
    dtype = torch.float16 if section.device.type == "cuda" else torch.float32
    left, right = (torch.randn(size, size, device=section.device, dtype=dtype) for _ in "ab")
    flops = 2 * size**3 / section.seconds(lambda: left @ right, least=0.5) / 1e12
    source = torch.randn(size * size * 8, device=section.device)
    target = torch.empty_like(source)
    moved = 2 * source.nbytes / section.seconds(lambda: target.copy_(source), least=0.5) / 1e12
    section.say(
        f"This card: {flops:.0f} TFLOP/s in an 8192 x 8192 half-precision product, "
        f"{moved:.1f} TB/s in a copy."
    )
    return flops, moved


def autocast(encoder: MusicnnEncoder, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """The product's encoder under autocast."""

    def embed(log_mel: Tensor) -> Tensor:
        with torch.autocast(log_mel.device.type, dtype):
            return encoder.embed(log_mel).float()

    return embed


def tiles_tried(section: Section, encoder: MusicnnEncoder) -> None:
    """Try the sizes of the kernel; say what each takes."""
    if section.device.type == "cpu":
        return
    patches = torch.rand(8 if section.is_quick else 2560, 187, 96, device=section.device) * 4
    section.say("\nThe front end of one MusiCNN, fused:\n")
    section.table(("tiles", "µs a patch"))
    for tiles in _TILES[: 1 if section.is_quick else None]:
        fused = FusedMusicnn(encoder, tiles=tiles)
        took = section.seconds(lambda fused=fused: fused.features(patches), least=0.2, rounds=3)
        section.row(tiles, f"{took / len(patches) * 1e6:.2f}")


def stages(section: Section, encoder: MusicnnEncoder) -> None:
    """Say how exact and how fast front ends and mid-ends are alone, by patches at once."""
    generator = torch.Generator().manual_seed(1)
    count = 20 if section.is_quick else 240
    log_mel = (4 * torch.rand(count, 187, 96, generator=generator)).to(section.device)
    normalized = log_mel * encoder.input_scale + encoder.input_shift
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        wanted = torch.cat([
            torch.cat([conv(part) for conv in encoder.front_convs], dim=2)
            for part in torch.split(normalized, 16)
        ])  # fmt: skip
    rows = torch.cat([encoder.embed(part) for part in torch.split(log_mel, 16)])
    features = widened(wanted)
    section.say("\nOne MusiCNN by stage, errors against the product's on this device:\n")
    section.table(("stage", "patches at once", "relative error", "µs a patch"))
    is_cpu = section.device.type == "cpu"
    dtype = torch.float32 if is_cpu else torch.float16
    fronts = [UnfoldedMusicnn(encoder, dtype)]
    fronts += [] if is_cpu else [FusedMusicnn(encoder, dtype, tiles=_TILES[0])]
    backs = [UnfoldedMusicnn(encoder, dtype, dense) for dense in ("fp32", "tf32", "fp16", "rows")]
    cases = [(f"front end, {type(way).__name__}", way.features, normalized, wanted)
             for way in fronts]  # fmt: skip
    cases += [(f"mid-end, {way.dense}", way.back_end, features, rows)
              for way in backs[: 1 if is_cpu else None]]  # fmt: skip
    for name, work, given, exact in cases:
        for size in (16, count):
            with torch.inference_mode():
                found = work(given[:size])[..., : exact.shape[-1]]
                error = (found - exact[:size]).norm() / exact[:size].norm()
                took = section.seconds(
                    lambda work=work, part=given[:size]: work(part), least=0.1, rounds=3
                )
            section.row(name, size, f"{error:.1e}", f"{took / size * 1e6:.1f}")


def encoders_tried(section: Section, here: Sequence[MusicnnEncoder]) -> list[Encoder]:
    """The product's encoders and faster ways to compute them."""
    half, chunk = torch.float16, 64 if section.is_quick else 256
    wide = 64 if section.is_quick else 1280
    single = Encoder("product, single precision", [e.embed for e in here], chunk)
    if section.device.type == "cpu":  # half precision takes minutes there
        rows = [UnfoldedMusicnn(e, torch.float32).embed for e in here]
        return [single, Encoder("rows in memory, float32", rows, chunk)]

    def fused(dtype: torch.dtype, dense: str, patches: int) -> Encoder:
        name = f"fused, {str(dtype).removeprefix('torch.')}, mid-end {dense}, {patches} patches"
        return Encoder(
            name, [FusedMusicnn(e, dtype, dense, _TILES[0]).embed for e in here], patches
        )

    return [
        single,
        Encoder("product, autocast float16", [autocast(e, half) for e in here], chunk),
        fused(half, "tf32", wide),
        fused(half, "fp16", wide),
        fused(half, "rows", wide),
        fused(half, "rows", 20),
        fused(half, "fp32", 256),
        Encoder("rows in memory, float16", [UnfoldedMusicnn(e).embed for e in here], chunk),
        Encoder("rows in memory, float16, mid-end rows",
                [UnfoldedMusicnn(e, dense="rows").embed for e in here], chunk),
        fused(torch.bfloat16, "rows", wide),
        Encoder("product, autocast bfloat16", [autocast(e, torch.bfloat16) for e in here], chunk),
    ]  # fmt: skip


class Reference(NamedTuple):
    """What the CPU computes in single precision."""

    audio: Tensor
    output: AffettiOutput


def errors(found: tuple[Tensor, AffettiOutput], wanted: Reference) -> tuple[str, ...]:
    """Compare with the CPU: relative error of rows, then of predictions."""
    audio, output = found[0].cpu().double(), AffettiOutput(*(part.cpu() for part in found[1]))
    exact = wanted.audio.double()
    columns = 1756 * len(NAMES)
    relative = (audio - exact)[..., :columns].norm() / exact[..., :columns].norm()
    affect = (output.affect - wanted.output.affect).abs()
    shares = (
        output.quadrant_logits.softmax(dim=1) - wanted.output.quadrant_logits.softmax(dim=1)
    ).abs()
    cosine = F.cosine_similarity(output.fused_embedding, wanted.output.fused_embedding).min()
    return (
        f"{relative:.1e}",
        f"{affect.max():.4f}",
        f"{shares.max():.4f}",
        f"{1 - cosine:.1e}",
    )


def song_pass(
    section: Section, encoder: Encoder, network: AffettiNetwork, batches: Sequence[Songs]
) -> float:
    """Songs a second of encoders and network over several batches that lie on the device."""

    @torch.inference_mode()
    def work() -> None:
        for songs in batches:
            predicted(network, encoded(encoder, songs))

    start = time.perf_counter()
    with torch.inference_mode():
        predicted(network, encoded(encoder, batches[0]))
    section.wait()
    if time.perf_counter() - start > 1:  # a slow way has one batch
        batches = batches[:1]
    took = section.seconds(work, least=1.0, rounds=3)
    return sum(len(songs.log_mel) for songs in batches) / took


def batches_of(section: Section, songs: Songs, patches: int, count: int) -> list[Songs]:
    """Batches on the device: the songs at other loudnesses, so that no two patches are alike."""
    generator = torch.Generator().manual_seed(patches)
    batches = []
    for _ in range(1 if section.is_quick else 3):
        chosen = torch.randint(len(songs.log_mel), (count,), generator=generator)
        gain = 0.5 + torch.rand(count, 1, 1, 1, generator=generator)
        log_mel = songs.log_mel[chosen, :patches] * gain
        batches.append(
            Songs(
                log_mel.contiguous().to(section.device),
                songs.descriptors[chosen, :patches].contiguous().to(section.device),
            )
        )
    return batches


def ways_table(
    section: Section,
    ways: Sequence[Encoder],
    network: AffettiNetwork,
    songs: Songs,
    wanted: Reference,
) -> Encoder:
    """Say what each way reaches and how exact it is; return the fastest that is exact enough."""
    batches = batches_of(section, songs, TEN, 2 if section.is_quick else 256)
    there = Songs(*(part.to(section.device) for part in songs))
    section.say()
    section.say(
        f"{len(NAMES)} encoders, ten patches a song, and the house network, "
        f"{len(batches[0].log_mel)} songs a batch.\n"
        "Errors are against the CPU in single precision, the largest over songs.\n"
    )
    section.table(
        ("way", "songs/s", "rows, relative", "valence, arousal", "quadrants", "1 - cosine")
    )
    rates = {}
    for way in ways:
        start = time.perf_counter()
        try:
            with within(15 * section.patience), torch.inference_mode():
                audio = encoded(way, there)
                compared = errors((audio, predicted(network, audio)), wanted)
                rate = song_pass(section, way, network, batches)
        except Exception as error:  # one way fails alone
            traceback.print_exc()
            section.row(way.name, f"failed: {str(error)[:80]!r}", "", "", "", "")
            continue
        section.row(way.name, f"{rate:,.0f}", *compared)
        print(f"this way took {time.perf_counter() - start:.1f} s", flush=True)
        if float(compared[1]) <= 0.01:
            rates[way.name] = rate
    return max(ways, key=lambda way: rates.get(way.name, 0.0))


def fastest(
    section: Section,
    way: Encoder,
    network: AffettiNetwork,
    songs: Songs,
    card: tuple[float, float],
    work: Sequence[float],
) -> None:
    """Say what the fastest way reaches at both numbers of patches, and what bounds it."""
    section.say(f"\nThe fastest whose valence and arousal are within .01: {way.name}.\n")
    section.table(("", "songs/s", "TFLOP/s", "of the card's", "peak memory, GiB", "GPU idle, %"))
    single = way._replace(name=f"{way.name}, {NAMES[0]} alone", embeds=way.embeds[:1])
    cases = [("encoders and network", way, patches) for patches in (TEN, MAX_PATCHES)]
    for name, encoder, patches in [*cases, (f"{NAMES[0]} alone, no network", single, TEN)]:
        count = 2 if section.is_quick else 5120 // patches
        batches = batches_of(section, songs, patches, count)
        if section.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with Card() as load:
            if encoder is single:
                took = section.seconds(
                    lambda batches=batches, encoder=encoder: [
                        encoder.embeds[0](part)
                        for one in batches
                        for part in torch.split(one.log_mel.flatten(0, 1), encoder.chunk)
                    ],
                    rounds=3,
                )
                rate = len(batches) * count / took
            else:
                rate = song_pass(section, encoder, network, batches)
        tflops = rate * patches * sum(work[: len(encoder.embeds)]) / 1e3
        memory = torch.cuda.max_memory_allocated() / 2**30 if section.device.type == "cuda" else 0.0
        idle = "unknown" if load.load is None else f"{100 - load.load:.0f}"
        section.row(
            f"{name}, {patches} patches", f"{rate:,.0f}", f"{tflops:.0f}",
            f"{tflops / card[0]:.0%}", f"{memory:.1f}", idle,
        )  # fmt: skip
        if (encoder, patches) == (way, TEN):
            reached = rate
    limit = card[0] * 1e3 / (TEN * sum(work))
    section.say(
        f"\nRoofline: a patch costs {sum(work):.2f} GFLOP in {len(work)} encoders, a song of ten "
        f"patches {TEN * sum(work):.0f}. This card's products allow {limit:,.0f} songs/s; "
        f"{reached:,.0f} is {reached / limit:.0%} of that.\nLog-mel is read once: "
        f"{TEN * 187 * 96 * 4 / 1e6:.2f} MB a song, "
        f"{card[1] * 1e6 / (TEN * 187 * 96 * 4 / 1e6):,.0f} songs/s. So arithmetic is the bound. "
        f"The goal of {GOAL:,} is {'reached' if reached >= GOAL else 'not reached'}."
    )


def product(section: Section, way: Encoder, songs: Songs) -> None:
    """Say what the product's pipeline reaches, timeline and all, as it is and with the best way."""
    pipeline = EmotionPipeline.from_pretrained(device=section.device.type)
    prepared = prepared_songs(songs, MAX_PATCHES)
    many = [prepared[i % len(prepared)] for i in range(2 if section.is_quick else 64)]
    lyrical = [dataclasses.replace(one, lyrics=LYRIC, context=CONTEXT) for one in many[:32]]
    section.say(
        f"\n`EmotionPipeline.predict_prepared`, {MAX_PATCHES} patches a song, with the timeline; "
        "log-mel starts in the computer's memory.\n"
    )
    section.table(("", "songs/s as shipped", "songs/s with that way"))
    pipeline.predict_prepared(many[:1])  # loads the encoders
    shipped = dict(pipeline.encoder.audio_encoders)
    swapped = {
        name: _Embedding(embed, way.chunk) for name, embed in zip(NAMES, way.embeds, strict=True)
    }
    for name, chosen in (
        ("sound alone, one batch", many),
        ("one song at a time, ms", many[:1]),
        ("with lyrics and title, one batch", lyrical),
        ("one song with lyrics, ms", lyrical[:1]),
    ):
        cells = []
        for encoders in (shipped, swapped):
            pipeline.encoder.audio_encoders.update(encoders)
            took = section.seconds(
                lambda chosen=chosen: pipeline.predict_prepared(chosen), least=0.3, rounds=3
            )
            rate = f"{len(chosen) / took:,.0f}"
            cells.append(f"{took * 1e3:.1f}" if len(chosen) == 1 else rate)
        section.row(name, *cells)


class _Embedding:
    """An encoder in the place of the product's."""

    def __init__(self, embed: Callable[[Tensor], Tensor], chunk: int) -> None:
        self._embed, self._chunk = embed, chunk

    def embed(self, log_mel: Tensor) -> Tensor:
        return torch.cat([self._embed(part) for part in torch.split(log_mel, self._chunk)])


def prepared_songs(songs: Songs, patches: int) -> list[PreparedSong]:
    """The songs as `EmotionPipeline.prepare` gives them."""
    starts, nothing = np.arange(patches) * 3.0, np.zeros((patches, 0), np.float32)
    pairs = zip(songs.log_mel[:, :patches], songs.descriptors[:, :patches], strict=True)
    return [
        PreparedSong(AudioPatches(mel.numpy(), nothing, starts, 240.0), descriptors=rows.numpy())
        for mel, rows in pairs
    ]


def latency(section: Section, way: Encoder, network: AffettiNetwork, songs: Songs) -> None:
    """Say how long one song takes, and one whose encoders are replayed as a CUDA graph."""
    (one,) = batches_of(section, songs, TEN, 1)[:1]
    with torch.inference_mode():
        eager = section.seconds(lambda: predicted(network, encoded(way, one)), least=0.3)
    section.say(f"\nOne song of ten patches, log-mel on the device: {eager * 1e3:.2f} ms.")
    if section.device.type != "cuda":
        return
    with torch.inference_mode():
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                encoded(way, one)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            audio = encoded(way, one)

        def replay() -> None:
            graph.replay()
            predicted(network, audio)

        took = section.seconds(replay, least=0.3)
    section.say(f"With the encoders in a CUDA graph: {took * 1e3:.2f} ms.")


def compiled(section: Section, here: Sequence[MusicnnEncoder], songs: Songs) -> None:
    """Say what `torch.compile` makes of one encoder under autocast; it takes long to compile."""
    if section.device.type == "cpu":
        return
    encoder = here[0]
    forward = torch.compile(encoder._forward_chunk)
    patches = batches_of(section, songs, TEN, 2 if section.is_quick else 128)[0]
    log_mel = patches.log_mel.flatten(0, 1)

    def work() -> None:
        with torch.inference_mode(), torch.autocast(section.device.type, torch.float16):
            for part in torch.split(log_mel, 256):
                forward(part)

    start = time.perf_counter()
    work()
    section.wait()
    first = time.perf_counter() - start
    took = section.seconds(work, least=0.5, rounds=3)
    section.say(
        f"\n`torch.compile`, autocast float16, {NAMES[0]} alone: "
        f"{len(patches.log_mel) / took:,.0f} songs/s at ten patches; compiling took {first:.0f} s."
    )


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in the block after so many seconds."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"stopped after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    left, _ = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    start = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), 0.01))


def main() -> None:
    start = time.monotonic()
    section = started()
    end = start + _SECONDS * section.patience
    card = ceilings(section)
    here = [MusicnnEncoder.from_pretrained(name) for name in NAMES]
    work = [gflop(encoder) for encoder in here]
    songs = made_songs(2 if section.is_quick else 24, max(TEN, MAX_PATCHES))
    network = EmotionPipeline.from_pretrained()._network
    ten = Songs(songs.log_mel[:, :TEN], songs.descriptors[:, :TEN])
    on_cpu = Encoder("reference", [encoder.embed for encoder in here], 64)
    with torch.inference_mode():
        audio = encoded(on_cpu, ten)
        wanted = Reference(audio, predicted(network, audio))
    print(f"reference done, {end - time.monotonic():.0f} s left", flush=True)
    network = network.to(section.device)
    there = [encoder.to(section.device) for encoder in here]
    best = ways_table(section, encoders_tried(section, there), network, ten, wanted)
    for seconds, step in (
        (30, lambda: fastest(section, best, network, songs, card, work)),
        (12, lambda: latency(section, best, network, songs)),
        (15, lambda: stages(section, there[0])),
        (45, lambda: product(section, best, songs)),
        (15, lambda: tiles_tried(section, there[0])),
        (25, lambda: compiled(section, there, songs)),
    ):
        left = end - time.monotonic()
        try:
            if left < 2:
                raise TimeoutError("no time was left for it")
            with within(min(seconds * section.patience, left)):
                step()
        except Exception as error:  # a step fails alone
            traceback.print_exc()
            section.say(f"\nA step failed: {str(error)[:200]!r}")
        print(f"{end - time.monotonic():.0f} s left", flush=True)


if __name__ == "__main__":
    main()
