"""ESPnet tasks: building models from YAML, and training them."""
