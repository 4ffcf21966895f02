"""Reads the pickles that data sets come in, and runs nothing that they may ask for."""

import pickle


def load(file, **options):
    """Unpickles what is made of arrays, lists, numbers and text, and refuses all else.

    Args:
        file: open, binary.
        options: those of pickle.Unpickler.

    Raises:
        pickle.UnpicklingError: for a pickle that names any other function: it would be run.
        Exception: of nearly any kind, for a damaged one.

    Source: https://docs.python.org/3/library/pickle.html#restricting-globals
    """
    return _ArraysOnly(file, **options).load()


class _ArraysOnly(pickle.Unpickler):
    ALLOWED = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
               ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks to run {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)
