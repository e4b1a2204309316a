"""Real servers, built from package registries: `make test-servers`. Skipped with a reason where one cannot be built."""
