"""What other tasks of ESPnet plug in: the codec as a frontend of their models."""
