"""The autoregressive model: semantic codes from phonemes, frame by frame.

Paper, section 3.4: p(c_1^t | c_1^<t, u). One sequence holds the text tokens, which
see each other, then the codes, which see the text and the codes before them. The
last text token predicts the first code; the token `codebook_size` is the end.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from espnet_st.masks import valid_mask
from espnet_st.uslm.positions import SinePosition, frame_index, rope_angles
from espnet_st.uslm.transformer import Transformer

PRIOR_SLOPES = (-2.6, -0.15)
"""Decimal logarithms of what the first and the last head subtract from the score of
a text token for each frame of distance: nearly nothing, and 0.7. As ALiBi's slopes
(Press et al., 2022, section 3) they are fixed."""


class AutoregressiveModel(nn.Module):
    """A transformer decoder over text tokens and semantic codes.

    Args:
        vocab_size: Number of text tokens.
        codebook_size: Number of codes; the end token comes after them.
        d_model: Width.
        n_heads: Attention heads.
        n_layers: Layers.
        ffn_size: Width of the feed-forward part.
        dropout: Dropout rate.
        rotary: Rotary positions in place of sine positions with a learnt weight.
        checkpointing: See `Transformer`.
        text_prior: Whether heads prefer the text near the current frame, each with
            a strength of its own; needs text positions in frames.
        code_noise: In training, the share of input codes replaced at random.
    """

    prior_slopes: Tensor | None

    def __init__(
        self,
        vocab_size: int,
        codebook_size: int,
        d_model: int = 1024,
        n_heads: int = 16,
        n_layers: int = 12,
        ffn_size: int = 4096,
        dropout: float = 0.1,
        rotary: bool = False,
        checkpointing: bool = False,
        text_prior: bool = False,
        code_noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.codebook_size = codebook_size
        self.rotary = rotary
        self.code_noise = code_noise
        self.text_embedding = nn.Embedding(vocab_size, d_model)
        self.audio_embedding = nn.Embedding(codebook_size + 1, d_model)
        if rotary:
            self.dropout = nn.Dropout(dropout)
        else:
            self.text_position = SinePosition(dropout)
            self.audio_position = SinePosition(dropout)
        self.decoder = Transformer(
            d_model,
            n_heads,
            n_layers,
            ffn_size,
            dropout,
            checkpointing=checkpointing,
        )
        self.predict_layer = nn.Linear(d_model, codebook_size + 1, bias=False)
        slopes = torch.logspace(*PRIOR_SLOPES, n_heads) if text_prior else None
        self.register_buffer("prior_slopes", slopes, persistent=False)
        if rotary:
            for table in (self.text_embedding, self.audio_embedding):
                nn.init.normal_(table.weight, std=d_model**-0.5)

    def embed_text(self, text: Tensor, positions: Tensor) -> Tensor:
        """Embed text tokens at their positions, both (B, S), as (B, S, D)."""
        x = self.text_embedding(text)
        return self.dropout(x) if self.rotary else self.text_position(x, positions)

    def embed_codes(self, codes: Tensor, positions: Tensor) -> Tensor:
        """Embed semantic codes at their positions, both (B, T), as (B, T, D)."""
        x = self.audio_embedding(codes)
        return self.dropout(x) if self.rotary else self.audio_position(x, positions)

    def rope(self, positions: Tensor) -> Tensor | None:
        """Compute the rotary angles of positions (B, T), if the model has such."""
        return rope_angles(positions, self.decoder.head_size) if self.rotary else None

    def attention_scores(
        self, mask: Tensor, query_positions: Tensor, text_positions: Tensor
    ) -> Tensor:
        """Add the prior of the text near the current frame to an attention mask.

        Args:
            mask: What a query may see, boolean (B, 1, n, L).
            query_positions: Positions of the queries (B, n).
            text_positions: Positions of the text tokens, the first keys (B, S).

        Returns:
            What is added to attention scores (B, H, n, L); without a prior the mask.
        """
        if self.prior_slopes is None:
            return mask
        distance = query_positions.unsqueeze(2) - text_positions.unsqueeze(1)
        near = -self.prior_slopes.view(1, -1, 1, 1) * distance.abs().unsqueeze(1)
        near = F.pad(near, (0, mask.shape[-1] - near.shape[-1]))
        return near.masked_fill(~mask, float("-inf"))

    def forward(
        self,
        text: Tensor,
        text_lengths: Tensor,
        text_positions: Tensor,
        codes: Tensor,
    ) -> Tensor:
        """Predict every code, and what follows the last one.

        Args:
            text: Token ids (B, S), padded.
            text_lengths: Number of tokens (B,), at least 1.
            text_positions: Position of each token (B, S).
            codes: Semantic codes (B, T); any valid code as padding.

        Returns:
            Logits (B, T + 1, codebook_size + 1); row t predicts code t.
        """
        size, frames = text.shape[1], codes.shape[1]
        if self.training and self.code_noise:
            noise = torch.rand(codes.shape, device=codes.device) < self.code_noise
            other = torch.randint_like(codes, self.codebook_size)
            codes = torch.where(noise, other, codes)
        times = frame_index(codes)
        positions = torch.cat([text_positions, times], dim=1)
        x = torch.cat(
            [self.embed_text(text, text_positions), self.embed_codes(codes, times)], 1
        )
        visible = F.pad(valid_mask(text_lengths, size), (0, frames))
        mask = visible[:, None, None, :].expand(-1, -1, size + frames, -1).clone()
        mask[:, :, size:, size:] = torch.ones(
            frames, frames, dtype=torch.bool, device=text.device
        ).tril()
        hidden = self.decoder(
            x,
            mask=self.attention_scores(mask, positions, text_positions),
            rope=self.rope(positions),
        )
        last = torch.arange(len(text), device=text.device), text_lengths - 1
        hidden = torch.cat([hidden[last].unsqueeze(1), hidden[:, size:]], dim=1)
        return self.predict_layer(hidden)

    def targets(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """Make the targets of `forward`: codes, the end, then -100.

        Args:
            codes: Semantic codes (B, T).
            lengths: Frames (B,).

        Returns:
            Targets (B, T + 1).
        """
        targets = F.pad(codes, (0, 1))
        targets.scatter_(1, lengths.unsqueeze(1), self.codebook_size)
        return targets.masked_fill(~valid_mask(lengths + 1, targets.shape[1]), -100)
