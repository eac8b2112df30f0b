"""Tables for density estimation: MAF's five data sets, and any other table.

The preprocessing is that of MAF (1705.07057, appendix D) and of the code that its authors
published, quirks included, since only then do likelihoods compare with published ones.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from keras_flows.data import tables
from keras_flows.data.pickles import read_frame

SETS = {
    "power": "data.npy, npz or UCI's household_power_consumption.txt",
    "gas": "ethylene_CO.pickle or UCI's ethylene_CO.txt",
    "hepmass": "the folder of UCI's 1000_train.csv and 1000_test.csv",
    "miniboone": "data.npy or npz",
    "bsds300": "BSDS300.hdf5, or npz of 8x8 patches of bytes in train, validation and test",
}
POWER_NAMES = ("active power", "voltage", *(f"sub metering {i}" for i in (1, 2, 3)), "time")
GAS_CONDITIONS = ("Meth", "Eth", "Time")


@dataclass
class Data:
    """Float32 arrays `(n, d)` to train on, to choose the epoch by and to measure on."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    names: list
    title: str


def load(name, file=None, seed=0, columns=None, drop=()):
    """The `Data` of one of `SETS`, made from its original `file`, or of the table at path `name`.

    A table of one's own keeps its units; of its columns those named in
    `columns` are taken, or all but those in `drop`. Unless its file says which
    rows are for what, `seed` shuffles them and holds out a tenth to test and
    then a tenth to validate. The five sets never depend on `seed`.

    Raises FileNotFoundError or ValueError that names the file.

    >>> data = load("power", "data.npy"); data = load("wine.csv", drop=["quality"])
    """
    if name not in SETS:
        if Path(name).suffix.lower() not in tables.SUFFIXES or file is not None:
            raise ValueError(
                f"Either one of {tuple(SETS)} and its original file, or the path of a table with "
                f"one of the endings {tables.SUFFIXES}. Received: {name} and file={file}."
            )
        return _own(Path(name), seed, columns, drop)
    if columns is not None or drop:
        raise ValueError(f"{name} has its published columns. Received: {columns=}, {drop=}.")
    if file is None:
        raise ValueError(f"{name} takes its original file: {SETS[name]}. Received: no file.")
    if not Path(file).exists():
        raise FileNotFoundError(f"No {name} at {file}: {SETS[name]}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # repeated values are as the sets' authors left them
        parts, names = LOADERS[name](Path(file))
    return Data(*(x.astype("float32") for x in parts), list(names), name.upper())


def _own(path, seed, columns, drop):
    table = tables.read(path, columns, drop)
    if table.sizes:
        parts = np.split(table.rows, np.cumsum(table.sizes)[:-1])
    else:
        parts = _split(table.rows[np.random.default_rng(seed).permutation(len(table.rows))], path)
    with np.errstate(over="ignore"):
        rounded = [x.astype("float32") for x in parts]
        spread = parts[0].std(axis=0, dtype="float64")
    error = np.max([np.abs(x - y).max(axis=0) for x, y in zip(parts, rounded)], axis=0)
    lost = np.flatnonzero(error >= 1e-3 * spread)
    if len(lost):
        raise ValueError(
            f"{path}, {tables.label(table.names, lost[0])} varies too little for its size, or is "
            f"too large, in 32 bits; subtract its mean or leave it out. "
            f"Received: a standard deviation of {spread[lost[0]]:.3g} in the training rows."
        )
    return Data(*rounded, table.names, path.name)


def _split(rows, file):
    """Rows to train, to validate and to test: the last tenth, and before it a tenth of the rest."""
    test = int(0.1 * len(rows))
    validation = int(0.1 * (len(rows) - test))
    if not validation:
        raise ValueError(f"{file} has no rows to hold out twice. Received: {len(rows)} rows.")
    return np.split(rows, [len(rows) - test - validation, len(rows) - test])


def _standardised(parts):
    """By the mean and deviation of all rows but the last part's, those to test."""
    known = np.concatenate(parts[:-1])
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    return [(x - mean) / deviation for x in parts]


def _power(file):
    rows = _household(file) if file.suffix == ".txt" else tables.read(file).rows.astype("float64")
    if rows.shape[1] != 8:
        raise ValueError(f"{file} should have power's 8 columns. Received: {rows.shape[1]}.")
    rng, n = np.random.RandomState(42), len(rows)
    rows = np.delete(rows[rng.permutation(n)], (1, 3), axis=1)  # reactive power, intensity
    voltage, gap, meters = 0.01 * rng.rand(n, 1), 0.001 * rng.rand(n, 1), rng.rand(n, 3)
    rows += np.hstack((gap, voltage, meters, np.zeros((n, 1))))
    return _standardised(_split(rows, file)), POWER_NAMES


def _household(file):
    """UCI's table without rows of missing values, date and time replaced by a last minute."""

    def lines(text):
        next(text, None)
        for line in text:
            _, time, values = line.rstrip().split(";", 2)
            if "?" not in values:
                yield f"{values};{60 * int(time[:2]) + int(time[3:5])}"

    with open(file) as text:
        return _numbers(file, lines(text), delimiter=";")


def _numbers(file, source, **options):
    try:
        return np.loadtxt(source, ndmin=2, **options)
    except ValueError as error:
        raise ValueError(f"{file} is not the original file. Received: {error}") from None


def _gas(file):
    rows, names = _gas_pickle(file) if file.suffix in (".pickle", ".pkl") else _gas_text(file)
    kept, similar = list(range(len(names))), np.corrcoef(rows, rowvar=False) > 0.98
    while (crowded := similar[np.ix_(kept, kept)].sum(axis=1) > 1).any():
        kept.pop(np.argmax(crowded))
    rows = rows[:, kept]
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0, ddof=1)
    return _split(rows, file), [names[i] for i in kept]


def _gas_pickle(file):
    names, rows = read_frame(file)
    kept = [i for i, name in enumerate(names) if name not in GAS_CONDITIONS]
    return rows[:, kept], [names[i] for i in kept]


def _gas_text(file):
    """A quarter of the rows, drawn at random: so many, in no order, are in the authors' pickle."""
    rows = _numbers(file, str(file), skiprows=1, usecols=range(3, 19))
    drawn = np.random.RandomState(42).permutation(len(rows))[: round(0.25 * len(rows))]
    return rows[drawn], [f"sensor {i + 1}" for i in range(16)]


def _hepmass(file):
    folder = file if file.is_dir() else file.parent
    train, names = _signals(folder / "1000_train.csv")
    test, _ = _signals(folder / "1000_test.csv", len(names))
    # Features of often repeated values go. The published code counts the smallest value alone.
    kept = np.flatnonzero((train == train.min(axis=0)).sum(axis=0) <= 5)
    train, test = train[:, kept], test[:, kept]
    mean, deviation = train.mean(axis=0), train.std(axis=0, ddof=1)
    train, test = (train - mean) / deviation, (test - mean) / deviation
    split = len(train) - int(0.1 * len(train))
    return (train[:split], train[split:], test), [names[i] for i in kept]


def _signals(path, columns=None):
    """Features of the rows of class 1, as many as wanted: rows to test have one too many."""
    if not path.exists():
        raise FileNotFoundError(f"No hepmass at {path.parent}: there is no {path.name}.")
    with open(path) as file:
        names, fields = file.readline().strip().split(","), file.readline().split(",")
    columns = min(len(names), len(fields)) - 1 if columns is None else columns
    rows = _numbers(path, str(path), delimiter=",", skiprows=1, usecols=range(1 + columns))
    return rows[rows[:, 0] == 1, 1:], names[1 : 1 + columns]


def _miniboone(file):
    table = tables.read(file)
    return _standardised(_split(table.rows.astype("float64"), file)), table.names


def _bsds300(file):
    if file.suffix in (".hdf5", ".h5"):
        parts = _hdf5(file)
    else:
        table = tables.read(file)
        if table.sizes is None:
            raise ValueError(f"{file} should have train, validation and test. Received: one array.")
        parts = np.split(table.rows, np.cumsum(table.sizes)[:-1])
    if parts[0].shape[1] == 64:
        rng = np.random.default_rng(0)
        parts = [_dequantized(x, rng, file) for x in parts]
    return parts, [f"pixel {i + 1}" for i in range(parts[0].shape[1])]


def _hdf5(file):
    try:
        with h5py.File(file) as arrays:
            return [arrays[key][:] for key in ("train", "validation", "test")]
    except (OSError, KeyError) as error:
        raise ValueError(f"{file} is damaged or not BSDS300. Received: {error}") from error


def _dequantized(x, rng, file):
    """63 of 64 pixels in [0, 1], without their mean: the last one is what the others lack."""
    if (x % 1).any() or x.min() < 0 or x.max() > 255:
        raise ValueError(f"{file} should be bytes. Received: {x.min()} to {x.max()}.")
    x = (x + rng.random(x.shape)) / 256
    return (x - x.mean(axis=1, keepdims=True))[:, :-1]


LOADERS = dict(zip(SETS, (_power, _gas, _hepmass, _miniboone, _bsds300)))
