"""What the USLM's models are asked in training, and their losses."""
