"""The aligner: which frames each text token takes, learnt beside the models.

A hidden Markov model of discrete observations. Its states are the tokens of a text in
order, with a silence before and one after them; it observes semantic codes. Those
follow the phones, so a table of p(code | token) suffices, and one pass over a small
corpus is enough to learn it. Text tokens can then stand at the frames that they take.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espnet_st.distributed import all_reduce_sum
from espnet_st.masks import valid_mask


class TextAligner(nn.Module):
    """Aligns texts with semantic codes by Viterbi's algorithm, and learns from it.

    Each call of `update` is a step of stepwise expectation maximization (Liang and
    Klein, 2009, "Online EM for unsupervised models") with the best path in place of all
    paths. The first steps take paths at constant pace, as the flat start of a
    recogniser does. A path may skip a token: marks of stress and spaces often have no
    sound.

    Args:
        vocab_size: Number of text tokens.
        codebook_size: Number of semantic codes.
    """

    FLAT_STEPS = 20
    FORGETTING = 0.7
    """Step k replaces the share (k + 2) ** -0.7 of what was learnt before."""
    PRIOR = 1e-4
    """Weight of the mean over tokens in the statistics of one token."""

    joint: Tensor
    visits: Tensor
    steps: Tensor

    def __init__(self, vocab_size: int, codebook_size: int) -> None:
        super().__init__()
        self.silence = vocab_size
        # Shares of all frames, by state and code; visits per frame, by state.
        joint = torch.full((vocab_size + 1, codebook_size), 1.0)
        self.register_buffer("joint", joint / joint.numel())
        visits = torch.full((vocab_size + 1,), 1.0 / (vocab_size + 1) / 3)
        self.register_buffer("visits", visits)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def mean_durations(self) -> Tensor:
        """Give the mean frames of each token, and of the silence (V + 1,)."""
        mean = self.joint.sum() / self.visits.sum()
        mass = self.joint.sum(dim=1) + self.PRIOR * mean
        return mass / (self.visits + self.PRIOR)

    def expected_durations(self, text: Tensor, lengths: Tensor) -> Tensor:
        """Give the mean frames of the states of padded texts (B, S): (B, S + 2)."""
        valid = self._valid_states(text, lengths)
        return self.mean_durations()[self.state_ids(text, lengths)] * valid

    @torch.no_grad()
    def best_path(
        self, text: Tensor, lengths: Tensor, codes: Tensor, frames: Tensor
    ) -> Tensor:
        """Find the likeliest state of every frame.

        Args:
            text: Token ids (B, S), padded.
            lengths: Number of tokens (B,).
            codes: Semantic codes (B, T), padded.
            frames: Frames (B,).

        Returns:
            Index of the state (B, T): 0 is the silence before, s the s-th token, and
            lengths + 1 the silence after. Texts with more than two states per frame
            are spread evenly.
        """
        states, size = self.state_ids(text, lengths), codes.shape[1]
        if size == 0:
            return torch.zeros_like(codes)
        times = torch.arange(size, device=text.device)
        last = (lengths + 1).unsqueeze(1)
        even = (times * (last + 1) / frames.clamp(min=1).unsqueeze(1)).long()
        even = torch.minimum(even, last)
        if self.steps < self.FLAT_STEPS:
            return even
        scores = self._log_emissions()[states.unsqueeze(1), codes.unsqueeze(2)]
        best = scores[:, 0].clone()  # (B, S + 2)
        best[:, 2:] = float("-inf")
        moves = torch.zeros_like(scores, dtype=torch.long)  # (B, T, S + 2)
        nothing = best.new_full((len(text), 2), float("-inf"))
        for time in range(1, size):
            padded = torch.cat([nothing, best], dim=1)
            options = torch.stack([best, padded[:, 1:-1], padded[:, :-2]])
            reached, move = options.max(dim=0)
            going = (time < frames).unsqueeze(1)
            best = torch.where(going, reached + scores[:, time], best)
            moves[:, time] = move * going
        ends = torch.cat([last - 1, last], dim=1)
        reached, which = best.gather(1, ends).max(dim=1)
        state = ends.gather(1, which.unsqueeze(1)).squeeze(1)
        path = torch.empty_like(codes)
        for time in range(size - 1, -1, -1):
            path[:, time] = state
            state = state - moves[:, time].gather(1, state.unsqueeze(1)).squeeze(1)
        return torch.where(reached.isfinite().unsqueeze(1), path, even)

    @torch.no_grad()
    def log_likelihood(
        self, text: Tensor, lengths: Tensor, codes: Tensor, frames: Tensor
    ) -> Tensor:
        """Average log p(code | state) over the frames of the best path.

        Args:
            text: As in `best_path`.
            lengths: As in `best_path`.
            codes: As in `best_path`.
            frames: As in `best_path`.

        Returns:
            (B,), 0 where there are no frames.
        """
        path = self.best_path(text, lengths, codes, frames)
        states = self.state_ids(text, lengths).gather(1, path)
        scores = self._log_emissions()[states, codes]
        valid = valid_mask(frames, codes.shape[1])
        return (scores * valid).sum(dim=1) / frames.clamp(min=1)

    @torch.no_grad()
    def update(
        self,
        text: Tensor,
        lengths: Tensor,
        codes: Tensor,
        frames: Tensor,
        path: Tensor,
    ) -> None:
        """Learn one step from the utterances of all processes that train together.

        Args:
            text: As in `best_path`.
            lengths: As in `best_path`.
            codes: As in `best_path`.
            frames: As in `best_path`.
            path: What `best_path` gave for them (B, T).
        """
        valid = valid_mask(frames, codes.shape[1])
        states, total = self.state_ids(text, lengths), all_reduce_sum(valid.sum())
        joint = torch.zeros_like(self.joint)
        visited_frames = states.gather(1, path)[valid], codes[valid]
        joint.index_put_(visited_frames, 1.0 / total, accumulate=True)
        visited = states[self._valid_states(text, lengths)]
        visits = torch.bincount(visited, minlength=len(self.visits)) / total
        share = float(self.steps + 2) ** -self.FORGETTING
        self.joint.lerp_(all_reduce_sum(joint), share)
        self.visits.lerp_(all_reduce_sum(visits), share)
        self.steps += 1

    def token_positions(
        self,
        text: Tensor,
        lengths: Tensor,
        codes: Tensor,
        frames: Tensor,
        jitter: float | None = None,
    ) -> Tensor:
        """Find the middle of the frames that each token takes.

        Args:
            text: As in `best_path`.
            lengths: As in `best_path`.
            codes: As in `best_path`.
            frames: As in `best_path`.
            jitter: In training, spread of the logarithm of a factor drawn for the
                duration of each token; the aligner learns too.

        Returns:
            Positions (B, S), in frames.
        """
        path = self.best_path(text, lengths, codes, frames)
        durations = state_durations(path, frames, text.shape[1] + 2)
        if jitter is not None:
            self.update(text, lengths, codes, frames, path)
            if jitter:
                durations = durations * torch.exp(jitter * torch.randn_like(durations))
        return center_positions(durations, frames)

    def likelihood_ratios(self) -> Tensor:
        """Give p(code | state) / p(code), (V + 1, K); 0 for codes never observed."""
        return self._log_emissions().exp() / self.joint.sum(dim=0).clamp(min=1e-20)

    def _log_emissions(self) -> Tensor:
        """Give the logarithm of p(code | state), (V + 1, K)."""
        prior = self.PRIOR * self.joint.sum(dim=0)
        mass = self.joint.sum(dim=1, keepdim=True) + self.PRIOR
        return torch.log((self.joint + prior) / mass)

    def state_ids(self, text: Tensor, lengths: Tensor) -> Tensor:
        """Put silences around padded texts (B, S), and in the padding: (B, S + 2)."""
        around = text.new_full((len(text), 1), self.silence)
        tokens = torch.where(valid_mask(lengths, text.shape[1]), text, self.silence)
        return torch.cat([around, tokens, around], dim=1)

    def _valid_states(self, text: Tensor, lengths: Tensor) -> Tensor:
        """Mark the states of each text and its silences (B, S + 2)."""
        return valid_mask(lengths + 2, text.shape[1] + 2)


def state_durations(path: Tensor, frames: Tensor, states: int) -> Tensor:
    """Count the frames of each state.

    Args:
        path: State of every frame (B, T).
        frames: Frames (B,).
        states: Number of states N.

    Returns:
        (B, N), float.
    """
    valid = valid_mask(frames, path.shape[1])
    counts = torch.zeros(len(path), states, device=path.device)
    return counts.scatter_add_(1, path, valid.float())


def center_positions(durations: Tensor, frames: Tensor) -> Tensor:
    """Give the middle of each token's frames.

    Args:
        durations: Relative durations of the states (B, S + 2), silences included.
        frames: Frames that they take together (B,).

    Returns:
        Positions (B, S), in frames.
    """
    total = durations.sum(dim=1).clamp(min=1e-6)
    durations = durations * (frames / total).unsqueeze(1)
    return (durations.cumsum(dim=1) - durations / 2)[:, 1:-1]
