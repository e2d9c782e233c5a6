"""Rooms and the people in them: sans-IO. `labsfu.rooms.registry.Rooms` is the façade."""
