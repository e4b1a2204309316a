"""`vragd map`: the notes of a vault in a plane, as a file."""
