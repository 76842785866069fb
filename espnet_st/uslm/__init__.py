"""USLM: speech codes from phonemes, an autoregressive and a parallel transformer."""
