"""Reading what users bring: Kaldi's tables, audio of any kind, corpora, batches."""
