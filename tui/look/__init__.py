"""What is to be seen of a state: lines of text with tones, made by pure functions."""
