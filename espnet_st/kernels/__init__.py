"""Arithmetic on a CPU in other forms than stock operators; no model knows why."""
