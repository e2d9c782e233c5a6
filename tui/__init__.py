"""The terminal dashboard: it will watch and drive all of it. Nothing lives here yet."""
