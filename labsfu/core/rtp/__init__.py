"""RTP packets: fixed header, header extensions and their values."""
