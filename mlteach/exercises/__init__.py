"""The exercises of the book: ``chapter_NN.py`` computes, ``chapter_NN.toml`` has the words.

Answers are computed from the data when they are first asked for; nothing is read before that.
"""
