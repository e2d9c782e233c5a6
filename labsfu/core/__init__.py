"""The media engine, sans-IO: no async, no clock, no socket, no random source, no room, no person."""
