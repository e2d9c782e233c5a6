"""Media that proves itself: test pictures and tones that say who sent them and when, and the sinks that read them."""
