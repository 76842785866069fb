"""Scores of tokens: mutual information, downstream model, phones."""
