"""The scenario engine and the library of scenarios: stories about a server, told by real clients, with a verdict."""
