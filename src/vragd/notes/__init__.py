"""Pure text work: bytes of a note to chunks. No I/O."""
