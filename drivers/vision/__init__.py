"""From one grey picture to the symbols in it: a cascade of decoders that stops at the first that reads."""
