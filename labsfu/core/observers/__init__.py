"""Who is heard: pure machines, fed with audio levels (RFC 6464) and time."""
