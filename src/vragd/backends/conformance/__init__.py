"""The contract of backends as checks, for tests of ours and of other packages."""
