"""Trained models in use, and their batch jobs: where codec and USLM meet."""
