"""The way out: question → hits; the only order of an answer."""
