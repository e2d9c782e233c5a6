"""The Trio edge: clocks, sockets, engines in their processes, mailboxes."""
