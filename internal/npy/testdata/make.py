"""Makes the .npy files of this folder with numpy itself (2.4.6); they are committed."""

import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
np.save(HERE / "three.npy", (np.arange(24, dtype=np.float32) / 4 - 1).reshape(2, 3, 4))
np.save(HERE / "row.npy", np.array([1.5, -2, np.inf], np.float32))
np.save(HERE / "one.npy", np.float32(7))
np.save(HERE / "fortran.npy", np.asfortranarray(np.ones((2, 3), np.float32)))
np.save(HERE / "double.npy", np.ones(3))
np.save(HERE / "empty.npy", np.ones((2, 0), np.float32))
with open(HERE / "version2.npy", "wb") as f:
    np.lib.format.write_array(f, np.ones((1, 2), np.float32), version=(2, 0))
