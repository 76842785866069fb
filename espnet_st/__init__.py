"""espnet-st: SpeechTokenizer, USLM and SLMTokBench as an ESPnet2 plugin.

Importing this package stays light: models live in `codec`, `uslm` and
`frontend`, what ESPnet must know of them in `registry`, command lines in `bin`.
"""

__version__ = "0.1.0"
