"""Training of the text path on texts alone, from which every network of songs starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from tqdm import trange

from mer.network import AffettiNetwork
from mer.research.house.mixture import drawn_texts, targets, text_sets
from mer.research.house.trainer import (
    GRADIENT_NORM,
    chosen_targets,
    condensed,
    cosine,
    feature_batch,
    loss,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from mer.batches import AffettiConfig
    from mer.research.house.mixture import Plane
    from mer.research.house.trainer import Recipe
    from mer.research.inputs.features import TrackFeatures


def read_texts(
    recipe: Recipe, config: AffettiConfig, texts: Sequence[TrackFeatures], plane: Plane
) -> dict[str, Tensor]:
    """Train on texts alone; every network of songs starts from these weights.

    The texts are the same for all networks, so that this part is computed once.

    Parameters
    ----------
    recipe : Recipe
    config : AffettiConfig
    texts : sequence of TrackFeatures
        Texts that are not about a song of the song sets.
    plane : Plane

    Returns
    -------
    dict of str to Tensor
        Weights of an `AffettiNetwork`; the parts that need audio are random.
    """
    torch.manual_seed(recipe.seed)
    network = AffettiNetwork(config).train()
    wanted = targets([text.track for text in texts], plane)
    texts, sets = condensed(texts), text_sets([text.track for text in texts])
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    for step in trange(recipe.reading_steps, desc="reading", unit="step"):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * cosine(step / recipe.reading_steps)
        drawn = drawn_texts(sets, recipe.reading_texts)
        batch = feature_batch([texts[i] for i in drawn.tolist()], config)
        error = loss(network, batch, chosen_targets(wanted, drawn), recipe, are_texts=True)
        optimizer.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
        optimizer.step()
    return network.state_dict()
