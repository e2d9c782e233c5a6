"""The shared vocabulary: everything that crosses a border (HTTP, socket, process) is one of these types.

Pure data on msgspec: camelCase on the wire, snake_case in Python, frozen. `field?` of the contract (the key may
be absent) is `T | Absent = ABSENT` here; present-and-null is `T | None`.
"""
