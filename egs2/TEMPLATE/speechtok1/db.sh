#!/usr/bin/env bash
# Sourced: where corpora lie. `downloads` means that local/data.sh fetches the corpus.
# The mini corpus needs none: it is synthesized.
LIBRISPEECH=${LIBRISPEECH:-downloads} # or the directory that holds train-clean-100 and the other parts
