"""Scores of tokens: mutual information, downstream model, phones, usage of codes.

`code_scores.score_codes` computes every figure of a set of codes, but text alignment.
"""
