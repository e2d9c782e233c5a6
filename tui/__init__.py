"""The terminal dashboard: a pure model (`model`), what is to be seen of it (`look`), and Textual around both."""
