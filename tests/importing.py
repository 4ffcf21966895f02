"""Importing a script by its path, for the tests and the benchmark."""

import importlib.util


def imported(path):
    """A script, imported: its constants and build_model, nothing run."""
    specification = importlib.util.spec_from_file_location("script", path)
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    return script
