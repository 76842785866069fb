"""Demo: a page on which everyone can hear what a codec's layers hold."""
