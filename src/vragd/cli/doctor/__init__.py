"""`vragd doctor`: looks at everything vragd needs, and says what is wrong and the way out."""
