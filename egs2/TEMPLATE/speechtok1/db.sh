#!/usr/bin/env bash
# Sourced: where corpora lie. `downloads` means that local/data.sh fetches the corpus.
# The mini corpus needs none: it is synthesized.
LIBRISPEECH=${LIBRISPEECH:-downloads} # or the directory that holds train-clean-100 and the other parts
MLS_GERMAN=${MLS_GERMAN:-}            # the directory mls_german; empty: no German test set
AISHELL3=${AISHELL3:-}                # the directory data_aishell3; empty: no Mandarin test set
