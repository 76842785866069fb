"""Decoding with a trained USLM: synthesis, sampling, guidance, weight precision."""
