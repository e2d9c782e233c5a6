"""`labsfu client`: a participant for a developer's own room, which says each second what it sends and receives."""
