"""The exercises of the book, one module ``chapter_NN`` a chapter.

Each module ends in ``EXERCISES``, a tuple of :class:`mlteach.exercises.check.Exercise` whose
answers are computed from the data when they are first asked for. Nothing is imported before that.
"""
