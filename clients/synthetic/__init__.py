"""Media without codecs, for load and for proof: RTP that an SFU cannot tell from real media, and says what it is.

Everything but `clock.py` and `ends.py` is sans-IO: `now` is monotonic seconds. The formats are written anew here (of
aiortc and of the server nothing is used), so that this end judges both.
"""
