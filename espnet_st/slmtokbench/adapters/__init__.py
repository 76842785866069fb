"""Tokenizers of all kinds as the benchmark takes them, one file each.

`registry.load_adapter` finds the one for a source. Codes that are already there need
none: `token_files` reads them.
"""
