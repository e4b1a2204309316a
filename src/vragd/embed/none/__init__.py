"""Nothing: a store of words alone, without a model and without vectors."""
