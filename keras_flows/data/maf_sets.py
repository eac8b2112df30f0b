"""MAF's five data sets, made from their original files.

The preprocessing is that of MAF (1705.07057, appendix D) and of its authors' published code,
quirks included: likelihoods compare with published ones only then.
"""

import warnings

import h5py
import numpy as np

from keras_flows.data import tables
from keras_flows.data.pandas_pickle import read_frame

SETS = {
    "power": "data.npy, npz or UCI's household_power_consumption.txt",
    "gas": "ethylene_CO.pickle or UCI's ethylene_CO.txt",
    "hepmass": "the folder of UCI's 1000_train.csv and 1000_test.csv",
    "miniboone": "data.npy or npz",
    "bsds300": "BSDS300.hdf5, or npz of 8x8 patches of bytes in train, validation and test",
}
POWER_NAMES = ("active power", "voltage", *(f"sub metering {i}" for i in (1, 2, 3)), "time")
GAS_CONDITIONS = ("Meth", "Eth", "Time")


def read_set(name, file):
    """The training, validation and test rows of one of `SETS`, and the names of its columns.

    `file` is the path of the original file. Raises FileNotFoundError or ValueError that names it.

    >>> (train, validation, test), names = read_set("power", pathlib.Path("data.npy"))
    """
    if not file.exists():
        raise FileNotFoundError(f"No {name} at {file}: {SETS[name]}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the sets' authors left repeated values in
        parts, names = LOADERS[name](file)
    return parts, list(names)


def hold_out(rows, file):
    """Training, validation and test rows: the last tenth tests, a tenth of the rest validates."""
    test = int(0.1 * len(rows))
    validation = int(0.1 * (len(rows) - test))
    if not validation:
        raise ValueError(
            f"{file} has too few rows to hold out a tenth twice. Received: {len(rows)} rows."
        )
    return np.split(rows, [len(rows) - test - validation, len(rows) - test])


def _standardize(parts):
    """Standardizes by the mean and deviation of the training and validation rows."""
    rows = np.concatenate(parts[:-1])
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    return [(x - mean) / deviation for x in parts]


def _power(file):
    rows = _household(file) if file.suffix == ".txt" else tables.read(file).rows.astype("float64")
    if rows.shape[1] != 8:
        raise ValueError(f"{file} should have power's 8 columns. Received: {rows.shape[1]}.")
    rng, n = np.random.RandomState(42), len(rows)
    rows = np.delete(rows[rng.permutation(n)], (1, 3), axis=1)  # reactive power, intensity
    voltage, gap, meters = 0.01 * rng.rand(n, 1), 0.001 * rng.rand(n, 1), rng.rand(n, 3)
    rows += np.hstack((gap, voltage, meters, np.zeros((n, 1))))
    return _standardize(hold_out(rows, file)), POWER_NAMES


def _household(file):
    """UCI's table without incomplete rows; the minute of the day replaces date and time."""

    def lines(text):
        next(text, None)
        for line in text:
            _, time, values = line.rstrip().split(";", 2)
            if "?" not in values:
                yield f"{values};{60 * int(time[:2]) + int(time[3:5])}"

    with open(file) as text:
        return _load_text(file, lines(text), delimiter=";")


def _load_text(file, source, **options):
    try:
        return np.loadtxt(source, ndmin=2, **options)
    except ValueError as error:
        raise ValueError(f"{file} is not the original file. Received: {error}") from None


def _gas(file):
    """The sensors; columns that correlate with others are removed one by one."""
    rows, names = _gas_pickle(file) if file.suffix in (".pickle", ".pkl") else _gas_text(file)
    kept, correlated = list(range(len(names))), np.corrcoef(rows, rowvar=False) > 0.98
    while (redundant := correlated[np.ix_(kept, kept)].sum(axis=1) > 1).any():
        kept.pop(np.argmax(redundant))
    rows = rows[:, kept]
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0, ddof=1)
    return hold_out(rows, file), [names[i] for i in kept]


def _gas_pickle(file):
    names, rows = read_frame(file)
    kept = [i for i, name in enumerate(names) if name not in GAS_CONDITIONS]
    return rows[:, kept], [names[i] for i in kept]


def _gas_text(file):
    """A random quarter of the rows: the authors' pickle has as many, in no particular order."""
    rows = _load_text(file, str(file), skiprows=1, usecols=range(3, 19))
    drawn = np.random.RandomState(42).permutation(len(rows))[: round(0.25 * len(rows))]
    return rows[drawn], [f"sensor {i + 1}" for i in range(16)]


def _hepmass(file):
    folder = file if file.is_dir() else file.parent
    train, names = _hepmass_signals(folder / "1000_train.csv")
    test, _ = _hepmass_signals(folder / "1000_test.csv", len(names))
    # Features with often repeated values are removed. The authors' code counts only repetitions
    # of the smallest value.
    kept = np.flatnonzero((train == train.min(axis=0)).sum(axis=0) <= 5)
    train, test = train[:, kept], test[:, kept]
    mean, deviation = train.mean(axis=0), train.std(axis=0, ddof=1)
    train, test = (train - mean) / deviation, (test - mean) / deviation
    split = len(train) - int(0.1 * len(train))
    return (train[:split], train[split:], test), [names[i] for i in kept]


def _hepmass_signals(path, columns=None):
    """Features of the rows of class 1. `columns` drops the additional column of the test file."""
    if not path.exists():
        raise FileNotFoundError(f"No hepmass at {path.parent}: there is no {path.name}.")
    with open(path) as file:
        names, fields = file.readline().strip().split(","), file.readline().split(",")
    columns = min(len(names), len(fields)) - 1 if columns is None else columns
    rows = _load_text(path, str(path), delimiter=",", skiprows=1, usecols=range(1 + columns))
    return rows[rows[:, 0] == 1, 1:], names[1 : 1 + columns]


def _miniboone(file):
    table = tables.read(file)
    return _standardize(hold_out(table.rows.astype("float64"), file)), table.names


def _bsds300(file):
    if file.suffix in (".hdf5", ".h5"):
        parts = _read_hdf5(file)
    else:
        table = tables.read(file)
        if table.sizes is None:
            raise ValueError(f"{file} should have train, validation and test. Received: one array.")
        parts = np.split(table.rows, np.cumsum(table.sizes)[:-1])
    if parts[0].shape[1] == 64:
        rng = np.random.default_rng(0)
        parts = [_dequantize_patches(x, rng, file) for x in parts]
    return parts, [f"pixel {i + 1}" for i in range(parts[0].shape[1])]


def _read_hdf5(file):
    try:
        with h5py.File(file) as arrays:
            return [arrays[key][:] for key in ("train", "validation", "test")]
    except (OSError, KeyError) as error:
        raise ValueError(f"{file} is damaged or not BSDS300. Received: {error}") from error


def _dequantize_patches(x, rng, file):
    """Pixels with noise in [0, 1], minus the patch's mean; the last pixel is redundant then."""
    if (x % 1).any() or x.min() < 0 or x.max() > 255:
        raise ValueError(f"{file} should be bytes. Received: {x.min()} to {x.max()}.")
    x = (x + rng.random(x.shape)) / 256
    return (x - x.mean(axis=1, keepdims=True))[:, :-1]


LOADERS = dict(zip(SETS, (_power, _gas, _hepmass, _miniboone, _bsds300)))
