"""The encoders and decoders that a configuration can name.

A new one is a module with a `CodecPart`, an entry here, and a test. It takes
`dimension`, and `sample_rate` where it needs it; beside these its arguments are the
keys of its YAML block.
"""

from __future__ import annotations

from espnet_st.codec.hifigan import HiFiGANDecoder
from espnet_st.codec.part import CodecPart
from espnet_st.codec.seanet import SEANetDecoder, SEANetEncoder
from espnet_st.codec.spectral import SpectralDecoder, SpectralEncoder

ENCODERS: dict[str, type[CodecPart]] = {
    "seanet": SEANetEncoder,
    "spectral": SpectralEncoder,
}
DECODERS: dict[str, type[CodecPart]] = {
    "seanet": SEANetDecoder,
    "spectral": SpectralDecoder,
    "hifigan": HiFiGANDecoder,
}
