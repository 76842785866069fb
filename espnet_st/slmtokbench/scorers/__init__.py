"""Scorers of audio: words, voice, quality; one file each, and the jobs that run them.

To add one, write a module here whose class derives from `Recognizer`,
`SpeakerEncoder`, `ReferenceScorer` (quality against the original) or `OpinionScorer`
(quality without it) and stands under `@register`; `registry` finds it.
"""
