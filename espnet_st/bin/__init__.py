"""Command lines, and the only place where codec and USLM meet."""
