"""The frozen semantic teachers that a codec is distilled from, and their units."""
