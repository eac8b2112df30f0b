"""Which tiles do not come back, when a decoder's networks differ from those of the encoder."""

import numpy as np

from keras_flows.codec import rounding
from keras_flows.codec.bins import quantised
from keras_flows.codec.decoder import decode_chunks
from keras_flows.flow.integer_codes import Shift


def wrong_tiles(codes, tiles, analysis, chunks, seeds, batch_size):
    """Which tiles do not come back from their chunks: a mask of the tiles.

    One wrong probability makes all that is decoded after it wrong. So after a failure each tile
    is decoded with the right symbols, which shows where probabilities differ.
    """
    result, damaged = decode_chunks(codes, chunks, seeds, batch_size)
    wrong = (result != tiles).any(axis=(1, 2, 3))
    if not wrong.any() and not damaged.any():
        return wrong
    different = _different(codes, tiles, analysis, batch_size) & ~analysis.failed
    if different.any():
        return different
    return wrong | np.repeat(damaged, [chunk.tiles for chunk in chunks])


def _different(codes, tiles, analysis, batch_size):
    """Which tiles have other probabilities or pixels in the decoder, given the right symbols."""
    guards = {}
    for part in analysis.guards:
        guards.setdefault(int(part[0][0]), []).append(part[1:])
    guards = {k: [np.concatenate(v) for v in zip(*parts)] for k, parts in guards.items()}
    result = np.zeros(len(tiles), bool)
    for first in range(0, len(tiles), batch_size):
        rows = slice(first, min(first + batch_size, len(tiles)))
        replay = rounding.Replay(guards, first)
        result[rows] = _batch(codes.decode(batch_size), tiles[rows], analysis, rows, replay)
    return result


def _batch(generator, tiles, analysis, rows, replay):
    n, parts = len(tiles), iter(analysis.parts)
    wrong, step = np.zeros(n, bool), next(generator)
    while True:
        if isinstance(step, Shift):
            event = rounding.event(rounding.SHIFT, step.index)
            reply = replay.round(event, step.values)
        else:
            starts, frequencies, _, symbols = (array[rows] for array in next(parts))
            bins = quantised(step.index, step, replay).slice(slice(symbols.size))
            index, _ = bins.indices(symbols.ravel())
            for received, expected in zip(bins.intervals(index), (starts, frequencies)):
                wrong |= (received.reshape(n, -1) != expected).any(axis=1)
            reply = np.zeros(step.means.shape[:-1], "int32")
            reply[:n] = symbols.reshape(n, *reply.shape[1:])
        try:
            step = generator.send(reply)
        except StopIteration as end:
            return wrong | (np.asarray(end.value)[:n] != tiles).any(axis=(1, 2, 3))
