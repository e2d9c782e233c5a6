"""The HTTP and WebSocket surface, on Quart-Trio: thin, it parses, asks once, renders."""
