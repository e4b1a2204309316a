"""How long a chunk may be, and should be, in characters."""

MAX_CHARS = 1_500
MIN_CHARS = 400
