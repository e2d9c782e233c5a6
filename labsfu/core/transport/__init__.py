"""Ways to a peer: gates (ICE, DTLS, SRTP) joined into one machine a transport."""
