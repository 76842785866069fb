"""When each text token sounds: an alignment learnt beside the models.

A hidden Markov model of discrete observations: its states are the tokens of a text in
order, a silence before and one after them; it observes semantic codes. Those follow
the phones, so a table of p(code | token) suffices, and learning it takes one pass over
a small corpus. Text tokens can then stand at the frames where they sound.
"""

import torch
from torch import nn

from espnet_st.uslm.positions import valid_mask


class TextAligner(nn.Module):
    """Aligns texts with semantic codes by Viterbi's algorithm; learns while it does.

    Each step of `learn` is one of stepwise expectation maximization (Liang and Klein,
    2009, "Online EM for unsupervised models") with the best path in place of all. The
    first steps take paths at constant pace, as a flat start of a recogniser does. A
    token may be skipped: marks of stress and spaces often make no sound.

    Args:
        vocab_size: Number of text tokens.
        codebook_size: Number of semantic codes.
    """

    FLAT_STEPS = 20
    FORGETTING = 0.7
    """Step k replaces the share (k + 2) ** -0.7 of what is known."""
    PRIOR = 1e-4
    """Weight of the mean over tokens in what is known of one token."""

    def __init__(self, vocab_size: int, codebook_size: int):
        super().__init__()
        self.silence = vocab_size
        # Shares of all frames, by state and code; visits per frame, by state.
        joint = torch.full((vocab_size + 1, codebook_size), 1.0)
        self.register_buffer("joint", joint / joint.numel())
        visits = torch.full((vocab_size + 1,), 1.0 / (vocab_size + 1) / 3)
        self.register_buffer("visits", visits)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def frames(self) -> torch.Tensor:
        """Mean length of each token, and of the silence, in frames (V + 1,)."""
        mean = self.joint.sum() / self.visits.sum()
        mass = self.joint.sum(dim=1) + self.PRIOR * mean
        return mass / (self.visits + self.PRIOR)

    def expected(self, text: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Mean lengths of the states of padded texts (B, S): (B, S + 2), in frames."""
        return self.frames()[self.states(text, lengths)] * self._valid(text, lengths)

    @torch.no_grad()
    def align(
        self,
        text: torch.Tensor,
        lengths: torch.Tensor,
        codes: torch.Tensor,
        frames: torch.Tensor,
    ) -> torch.Tensor:
        """Give the state of every frame.

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
        states, size = self.states(text, lengths), codes.shape[1]
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
    def fit(
        self,
        text: torch.Tensor,
        lengths: torch.Tensor,
        codes: torch.Tensor,
        frames: torch.Tensor,
    ) -> torch.Tensor:
        """Mean over frames of log p(code | state) on the path that `align` gives.

        Args:
            text: As in `align`.
            lengths: As in `align`.
            codes: As in `align`.
            frames: As in `align`.

        Returns:
            (B,), 0 where there are no frames.
        """
        path = self.align(text, lengths, codes, frames)
        states = self.states(text, lengths).gather(1, path)
        scores = self._log_emissions()[states, codes]
        valid = valid_mask(frames, codes.shape[1])
        return (scores * valid).sum(dim=1) / frames.clamp(min=1)

    @torch.no_grad()
    def learn(
        self,
        text: torch.Tensor,
        lengths: torch.Tensor,
        codes: torch.Tensor,
        frames: torch.Tensor,
        path: torch.Tensor,
    ) -> None:
        """Take one step of learning from paths that `align` gave for the same.

        Processes that train together learn from all of their utterances.
        """
        valid = valid_mask(frames, codes.shape[1])
        states, total = self.states(text, lengths), _of_all_processes(valid.sum())
        joint = torch.zeros_like(self.joint)
        where = states.gather(1, path)[valid], codes[valid]
        joint.index_put_(where, 1.0 / total, accumulate=True)
        visited = states[self._valid(text, lengths)]
        visits = torch.bincount(visited, minlength=len(self.visits)) / total
        joint, visits = _of_all_processes(joint), _of_all_processes(visits)
        share = float(self.steps + 2) ** -self.FORGETTING
        self.joint.lerp_(joint, share)
        self.visits.lerp_(visits, share)
        self.steps += 1

    def place(
        self,
        text: torch.Tensor,
        lengths: torch.Tensor,
        codes: torch.Tensor,
        frames: torch.Tensor,
        jitter: float | None = None,
    ) -> torch.Tensor:
        """Place tokens where they sound.

        Args:
            text: As in `align`.
            lengths: As in `align`.
            codes: As in `align`.
            frames: As in `align`.
            jitter: In training, spread of the logarithm of a factor drawn for the
                length of each token; the aligner learns too.

        Returns:
            Positions (B, S), in frames.
        """
        path = self.align(text, lengths, codes, frames)
        spans = lengths_of(path, frames, text.shape[1] + 2)
        if jitter is not None:
            self.learn(text, lengths, codes, frames, path)
            if jitter:
                spans = spans * torch.exp(jitter * torch.randn_like(spans))
        return centres(spans, frames)

    def odds(self) -> torch.Tensor:
        """p(code | state) / p(code), (V + 1, K); 0 for codes that never came."""
        return self._log_emissions().exp() / self.joint.sum(dim=0).clamp(min=1e-20)

    def _log_emissions(self):
        """Logarithm of p(code | state), (V + 1, K)."""
        prior = self.PRIOR * self.joint.sum(dim=0)
        mass = self.joint.sum(dim=1, keepdim=True) + self.PRIOR
        return torch.log((self.joint + prior) / mass)

    def states(self, text: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Put silences around padded texts (B, S), and in the padding: (B, S + 2)."""
        around = text.new_full((len(text), 1), self.silence)
        tokens = torch.where(valid_mask(lengths, text.shape[1]), text, self.silence)
        return torch.cat([around, tokens, around], dim=1)

    def _valid(self, text, lengths):
        """True at the states of each text and its silences (B, S + 2)."""
        return valid_mask(lengths + 2, text.shape[1] + 2)


def _of_all_processes(counts: torch.Tensor) -> torch.Tensor:
    """Sum over the processes that train together, in place."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(counts)
    return counts


def lengths_of(path: torch.Tensor, frames: torch.Tensor, states: int) -> torch.Tensor:
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


def centres(lengths: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """Place the tokens at the middle of their lengths.

    Args:
        lengths: Relative lengths of the states (B, S + 2), silences included.
        frames: Frames that they take together (B,).

    Returns:
        Positions (B, S), in frames.
    """
    total = lengths.sum(dim=1).clamp(min=1e-6)
    lengths = lengths * (frames / total).unsqueeze(1)
    return (lengths.cumsum(dim=1) - lengths / 2)[:, 1:-1]
