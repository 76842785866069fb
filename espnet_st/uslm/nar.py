"""The non-autoregressive model: acoustic codes, layer by layer, all frames at once.

Paper, section 3.4: p(c_i | c_<i, prompt, u). The prompt's frames carry the codes of
all layers, the frames to predict those of the layers before the one to predict (the
*stage*). Norms adapt to the stage.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espnet_st.masks import valid_mask
from espnet_st.uslm.code_embeddings import CodebookEmbedding, TableEmbedding
from espnet_st.uslm.positions import SinePosition, frame_index, rope_angles
from espnet_st.uslm.transformer import Transformer


class NonAutoregressiveModel(nn.Module):
    """A transformer over text tokens and the known codes of each frame.

    Args:
        vocab_size: Number of text tokens.
        codebook_size: Number of codes of each layer.
        n_q: Number of codebooks, at least 2.
        d_model: Width.
        n_heads: Attention heads.
        n_layers: Layers.
        ffn_size: Width of the feed-forward part.
        dropout: Dropout rate.
        rotary: Rotary positions in place of sine positions.
        checkpointing: See `Transformer`.
        codebooks: The codec's vectors (n_q, codebook_size, E), to read and score
            codes by them (`CodebookEmbedding`) in place of tables (`TableEmbedding`).
        whole_prompt: Whether the prompt's frames carry the codes of all layers, or,
            as all others, those below the stage (the USLM release, `prefix_mode` 0).

    Raises:
        ValueError: If there is no acoustic layer to predict.
    """

    def __init__(
        self,
        vocab_size: int,
        codebook_size: int,
        n_q: int = 8,
        d_model: int = 1024,
        n_heads: int = 16,
        n_layers: int = 12,
        ffn_size: int = 4096,
        dropout: float = 0.1,
        rotary: bool = False,
        checkpointing: bool = False,
        codebooks: Tensor | None = None,
        whole_prompt: bool = True,
    ) -> None:
        super().__init__()
        if n_q < 2:
            raise ValueError(f"n_q is {n_q}: USLM predicts layers 2 and on, give 2+")
        self.n_q = n_q
        self.rotary = rotary
        self.whole_prompt = whole_prompt
        self.text_embedding = nn.Embedding(vocab_size, d_model)
        self.codes: TableEmbedding | CodebookEmbedding
        if codebooks is None:
            self.codes = TableEmbedding(codebook_size, n_q, d_model)
        else:
            self.codes = CodebookEmbedding(codebooks, d_model)
        if rotary:
            self.dropout = nn.Dropout(dropout)
        else:
            self.text_position = SinePosition(0.0, learn_alpha=False)
            self.audio_position = SinePosition(dropout, learn_alpha=False)
        self.decoder = Transformer(
            d_model,
            n_heads,
            n_layers,
            ffn_size,
            dropout,
            adaptive=True,
            checkpointing=checkpointing,
        )
        self.stage_embeddings = nn.ModuleList(
            nn.Embedding(1, d_model) for _ in range(n_q - 1)
        )
        if rotary:
            tables = [self.text_embedding]
            tables += getattr(self.codes, "embeddings", [])
            for table in tables:
                nn.init.normal_(table.weight, std=d_model**-0.5)

    def forward(
        self,
        text: Tensor,
        text_lengths: Tensor,
        text_positions: Tensor,
        codes: Tensor,
        lengths: Tensor,
        prompt_mask: Tensor,
        stages: Tensor,
    ) -> Tensor:
        """Predict the codes of one layer, each row its own.

        Args:
            text: Token ids (B, S), padded.
            text_lengths: Number of tokens (B,).
            text_positions: Position of each token (B, S).
            codes: Codes (n_q, B, T); those of the stage and above are read in the
                prompt only.
            lengths: Frames (B,).
            prompt_mask: True at the prompt's frames (B, T).
            stages: Layer to predict of each row (B,), 1 to n_q - 1.

        Returns:
            Logits (B, T, codebook_size).
        """
        size, frames = text.shape[1], codes.shape[2]
        times = frame_index(codes[0])
        layers = torch.arange(self.n_q, device=text.device).view(-1, 1, 1)
        valid = valid_mask(lengths, frames)
        known = (stages.view(1, -1, 1) > layers) & valid  # (n_q, B, T)
        if self.whole_prompt:
            known = known | (prompt_mask & valid)
        text_vectors = self.text_embedding(text)
        code_vectors = self.codes.embed(codes, known)
        rope = None
        if self.rotary:
            text_vectors = self.dropout(text_vectors)
            code_vectors = self.dropout(code_vectors)
            positions = torch.cat([text_positions, times], dim=1)
            rope = rope_angles(positions, self.decoder.head_size)
        else:
            text_vectors = self.text_position(text_vectors, text_positions)
            code_vectors = self.audio_position(code_vectors, times)
        visible = torch.cat([valid_mask(text_lengths, size), valid], dim=1)
        hidden = self.decoder(
            torch.cat([text_vectors, code_vectors], dim=1),
            mask=visible[:, None, None, :],
            rope=rope,
            condition=torch.cat(list(self.stage_embeddings.parameters()))[stages - 1],
        )[:, size:]
        return self.codes.predict(hidden, stages)

    @torch.no_grad()
    def generate(
        self,
        text: Tensor,
        text_lengths: Tensor,
        text_positions: Tensor,
        codes: Tensor,
        lengths: Tensor,
        prompt_mask: Tensor,
    ) -> Tensor:
        """Fill layers 1 to n_q - 1 outside the prompt with the likeliest codes.

        Args:
            text: As in `forward`.
            text_lengths: As in `forward`.
            text_positions: As in `forward`.
            codes: Codes (n_q, B, T): layer 0 everywhere, all layers in the prompt.
            lengths: Frames (B,).
            prompt_mask: True at the prompt's frames (B, T).

        Returns:
            Codes (n_q, B, T), complete.
        """
        codes = codes.clone()
        for stage in range(1, self.n_q):
            stages = torch.full_like(lengths, stage)
            logits = self(
                text, text_lengths, text_positions, codes, lengths, prompt_mask, stages
            )
            codes[stage] = torch.where(prompt_mask, codes[stage], logits.argmax(dim=-1))
        return codes
