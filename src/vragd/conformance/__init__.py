"""The contracts of backends and embedders as checks, for tests of ours and of other packages."""
