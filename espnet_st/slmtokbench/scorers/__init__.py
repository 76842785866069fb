"""Scorers of audio: words, voice, quality; and the job that runs them."""
