"""The widgets of the book, one a module; a module's name is that of its widget."""
