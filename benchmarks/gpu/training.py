"""Seconds an epoch of the house network, on made features of the real shapes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from benchmarks.gpu.section import started
from mer.affect import EMOTIONS, GEMS, QUADRANTS
from mer.audio.patches import MAX_PATCHES
from mer.batches import AffettiBatch, AffettiConfig
from mer.network import AffettiNetwork
from mer.research.house.mixture import Targets
from mer.research.house.trainer import Recipe, loss, withhold

if TYPE_CHECKING:
    from benchmarks.gpu.section import Section

SONGS: Final = 1100
TEXTS: Final = 20_000


def made_targets(count: int, clusters: int, device: torch.device) -> Targets:
    """Random distributions, all known."""

    def shares(width: int) -> torch.Tensor:
        return torch.rand(count, width, device=device).softmax(dim=1)

    return Targets(
        shares(len(QUADRANTS)), shares(clusters), torch.rand(count, 2, device=device),
        shares(len(EMOTIONS)), shares(len(GEMS)), torch.ones(count, 6, device=device),
    )  # fmt: skip


def made_batch(
    count: int, patches: int, config: AffettiConfig, device: torch.device
) -> AffettiBatch:
    """Songs with audio, lyrics and context; without patches, texts alone."""

    def part(steps: int, width: int, *, is_there: bool = True) -> tuple[torch.Tensor, ...]:
        states = torch.randn(count, steps, width, device=device, dtype=torch.float16)
        return states, torch.full((count, steps), is_there, device=device)

    return AffettiBatch(
        *part(max(1, patches), config.audio_dim, is_there=patches > 0),
        *part(1, config.text_dim),
        *part(1, config.text_dim, is_there=patches > 0),
    )


def chosen(batch: AffettiBatch, rows: torch.Tensor) -> AffettiBatch:
    """Some songs, in single precision."""
    return AffettiBatch(
        *(part[rows].float() if part.is_floating_point() else part[rows] for part in batch)
    )


def epoch_seconds(section: Section, device: torch.device, songs: int, texts: int) -> float:
    """Seconds of the second epoch: the losses of `mer.research.house.trainer`, without copies."""
    torch.manual_seed(0)
    recipe, config = Recipe(wariness=0.0, copies=0), AffettiConfig()
    network = AffettiNetwork(config).to(device).train()
    averaged = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.averaging)
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate)
    sung, sung_targets = made_batch(songs, MAX_PATCHES, config, device), None
    said = made_batch(texts, 0, config, device)
    sung_targets = made_targets(songs, config.clusters, device)
    said_targets = made_targets(texts, config.clusters, device)
    took = 0.0
    for _ in range(2):
        start = time.perf_counter()
        for rows in torch.split(torch.randperm(songs, device=device), recipe.batch_songs):
            drawn = torch.randint(texts, (min(texts, recipe.batch_texts),), device=device)
            batch = withheld(chosen(sung, rows), recipe)
            wanted = Targets(*(part[rows] for part in sung_targets))
            error = loss(network, batch, wanted, recipe)
            wanted = Targets(*(part[drawn] for part in said_targets))
            error = error + recipe.text_weight * loss(
                network, chosen(said, drawn), wanted, recipe, are_texts=True
            )
            optimizer.zero_grad()
            error.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimizer.step()
            averaged.update_parameters(network)
        if device.type == "cuda":
            torch.cuda.synchronize()
        took = time.perf_counter() - start
    return took


def withheld(batch: AffettiBatch, recipe: Recipe) -> AffettiBatch:
    """As `withhold`, whose random numbers are those of the batch's device here."""
    with torch.device(batch.audio.device):
        return withhold(batch, recipe)


def main() -> None:
    section = started()
    songs, texts = (64, 200) if section.is_quick else (SONGS, TEXTS)
    section.say(
        f"An epoch over {songs} songs of {MAX_PATCHES} patches and {texts:,} texts of random "
        "numbers: the losses, batches and optimiser of `mer.research.house.trainer`, without "
        "distorted copies. No data set is needed.\n"
    )
    section.table(("", "seconds an epoch", "songs/s"))
    if section.device.type == "cuda":
        took = epoch_seconds(section, section.device, songs, texts)
        memory = torch.cuda.max_memory_allocated() / 2**30
        section.row("this card", f"{took:.2f}", f"{songs / took:,.0f}")
    took = epoch_seconds(section, torch.device("cpu"), songs, texts)
    section.row(
        f"its CPU, {torch.get_num_threads()} threads", f"{took:.2f}", f"{songs / took:,.0f}"
    )
    if section.device.type == "cuda":
        section.say(f"\nPeak memory of the card: {memory:.1f} GiB.")


if __name__ == "__main__":
    main()
