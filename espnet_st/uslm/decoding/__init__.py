"""Speaking with a trained USLM: AR, NAR, sampling, guidance, precision."""
