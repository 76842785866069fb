"""The SpeechTokenizer codec: encoder, quantizer, decoder, losses, teachers."""
