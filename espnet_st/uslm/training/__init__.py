"""Training of the USLM: batches, the plan of the NAR model, losses."""
