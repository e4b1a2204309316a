"""A model behind an OpenAI-compatible `/v1/embeddings`."""
