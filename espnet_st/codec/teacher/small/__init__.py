"""A small teacher that the mini recipe trains by CTC on phones."""
