"""A WebRTC SFU. Importing this loads nothing else, so that clients can import `labsfu.wire` alone."""
