"""Routes of the selective forwarding unit itself."""
