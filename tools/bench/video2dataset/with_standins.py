"""The command of video2dataset 1.3.0, without torch.

Its command imports torch, torchaudio and torchdata on every start, for stages that
are not run here. Empty modules stand in for them, which makes it start faster than a
full installation does, never slower. Nothing else of it is replaced. The processes it
starts run this file too, since multiprocessing imports the main module again.
"""
import importlib.abc
import importlib.machinery
import sys
import types

ABSENT = {"torch", "torchaudio", "torchdata"}


class Empty(type):
    """A class to inherit from or to name in an annotation, and nothing more."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Empty(name, (), {})

    def __getitem__(cls, item):
        return cls


class StandIn(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Empty(name, (), {})


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return StandIn(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, StandIns())

if __name__ == "__main__":
    from video2dataset.main import main

    main()
