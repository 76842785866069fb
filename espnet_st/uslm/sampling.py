"""Drawing codes from logits: temperature, top-k, top-p, for a batch at once."""

import torch


def keep_top(logits: torch.Tensor, top_k: int, top_p: float) -> torch.Tensor:
    """Set to minus infinity what lies outside the top k and the nucleus.

    The nucleus is the smallest set of the likeliest codes whose probabilities
    reach `top_p` (Holtzman et al., 2020); it always holds the likeliest code.

    Args:
        logits: Scores (B, V).
        top_k: Number of codes kept, 0 for all.
        top_p: Mass kept, in (0, 1]; 1 for all.

    Returns:
        Scores (B, V) with minus infinity at the codes left out.
    """
    if 0 < top_k < logits.shape[-1]:
        threshold = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < threshold, float("-inf"))
    if top_p < 1.0:
        ordered, order = logits.sort(dim=-1, descending=True)
        mass = ordered.softmax(dim=-1)
        before = mass.cumsum(dim=-1) - mass
        drop = torch.zeros_like(logits, dtype=torch.bool)
        drop.scatter_(-1, order, before >= top_p)
        logits = logits.masked_fill(drop, float("-inf"))
    return logits


def sample(
    logits: torch.Tensor,
    uniform: torch.Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> torch.Tensor:
    """Draw one code for each row.

    A row's draw depends on its own number alone, so that a text sounds the same in
    any batch.

    Args:
        logits: Scores (B, V); minus infinity forbids a code.
        uniform: A number in [0, 1) for each row (B,).
        temperature: Divides the scores; 0 takes the likeliest code.
        top_k: Draw among the k likeliest only; 0 for all.
        top_p: Draw among the likeliest codes of this total probability.

    Returns:
        Codes (B,), int64.
    """
    if temperature == 0 or top_k == 1:
        return logits.argmax(dim=-1)
    kept = keep_top(logits.double() / temperature, top_k, top_p)
    mass = kept.softmax(dim=-1).cumsum(dim=-1)
    wanted = uniform.double().unsqueeze(-1) * mass[:, -1:]
    return torch.searchsorted(mass, wanted, right=True).squeeze(-1)


def check_sampling(temperature: float, top_k: int, top_p: float) -> None:
    """Refuse settings that no distribution can follow.

    Raises:
        ValueError: Naming the setting and its range.
    """
    if temperature < 0:
        raise ValueError(f"temperature is {temperature}: give 0 (greedy) or more")
    if top_k < 0:
        raise ValueError(f"top_k is {top_k}: give 0 (all codes) or more")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}: give a number above 0, up to 1")
