"""What an SFU has to know of a codec's payload: descriptors, key frames, layers. One codec a file."""
