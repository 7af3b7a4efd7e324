"""The nouns of a blog and the rules that hold for them, in the standard library alone."""
