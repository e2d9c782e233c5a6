"""Media in, media out: producers, consumers, and what happens to a packet between them."""
