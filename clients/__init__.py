"""Headless WebRTC clients (asyncio, aiortc): an independent peer that judges the server by its outside only."""
