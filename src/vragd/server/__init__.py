"""HTTP/1.1 over the Unix socket."""
