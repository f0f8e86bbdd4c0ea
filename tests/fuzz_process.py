"""The process that runs one target of :mod:`tests.fuzz_targets`: its name, and the arguments of libFuzzer. See :mod:`tests.fuzz`."""

import sys

import atheris

with atheris.instrument_imports(include=["store", "theiafs"]):
    from tests.fuzz_targets import TARGETS

if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    atheris.Setup([name, *arguments], TARGETS[name].run)
    atheris.Fuzz()  # ends the process
