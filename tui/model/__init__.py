"""What a server holds and does, as far as its feed tells: pure, without a terminal, a clock or a socket."""
