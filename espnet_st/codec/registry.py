"""The encoders and decoders that a configuration can name.

A new one is a module with a class, an entry here, and a test. It takes `dimension`,
and `sample_rate` where it needs it; beside these its arguments are the keys of its
YAML block. It has `hop_length` (samples per frame), `streams` (whether it never looks
ahead), `layers` for `chunks.run_layers`, `half_precision` (whether it can compute in
bfloat16) and `forward` of whole signals: encoders (B, 1, N) to (B, D, T), decoders
back, T being ceil(N / hop_length).
"""

from __future__ import annotations

from torch import nn

from espnet_st.codec.seanet import SEANetDecoder, SEANetEncoder
from espnet_st.codec.spectral import SpectralDecoder, SpectralEncoder

ENCODERS: dict[str, type[nn.Module]] = {
    "seanet": SEANetEncoder,
    "spectral": SpectralEncoder,
}
DECODERS: dict[str, type[nn.Module]] = {
    "seanet": SEANetDecoder,
    "spectral": SpectralDecoder,
}
