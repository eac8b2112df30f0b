"""Tiles to chunks: the flow's integers, their intervals, and the lanes that code them."""

import numpy as np

from keras_flows.codec import plain, rans, rounding
from keras_flows.codec.bins import quantised
from keras_flows.codec.chunks import Chunk, checks, checksum
from keras_flows.flow.integer_codes import Shift

LANE_BITS = 2**14  # of code in a lane, about
FARTHEST = 2**23  # a symbol that is farther from its window has no exact float
RAW_BITS = 8  # a dimension that costs more is better without the flow


class Analysis:
    """What the flow says of n tiles: the intervals of all symbols, and what is exceptional.

    `parts` has (starts, frequencies, distances outside of the window, symbols), arrays of
    (n, dimensions), in the order of decoding; `guards` arrays (event, tile, position, side).
    """

    def __init__(self, codes, tiles, batch_size):
        n = len(tiles)
        batches, self.guards, self.failed = [], [], np.zeros(n, bool)
        for first in range(0, n, batch_size):
            rows = min(batch_size, n - first)
            recorder = rounding.Recorder(first)
            batch = padded(tiles[first : first + rows], batch_size)
            batches.append(_batch_parts(codes.encode(batch), recorder, rows))
            self.guards += recorder.guards
            self.failed[[i for i in recorder.failed if i < n]] = True
        parts = [tuple(map(np.concatenate, zip(*part))) for part in zip(*batches)]
        self.parts = parts[::-1]
        bits = [-np.log2(f / rans.TOTAL).sum(axis=1) for _, f, *_ in self.parts]
        self.bits = np.sum(bits, axis=0)
        self.failed |= self.bits > RAW_BITS * tiles[0].size
        for _, _, outside, _ in self.parts:
            self.failed |= (outside >= FARTHEST).any(axis=1)


def _batch_parts(generator, recorder, rows):
    """The intervals of the parts of a batch, from the first that is encoded to the last."""
    parts, step = [], next(generator)
    while True:
        if isinstance(step, Shift):
            reply = recorder.round(rounding.event(rounding.SHIFT, step.index), step.values)
        else:
            reply = None
            bins = quantised(step.index, step, recorder)
            symbols = np.asarray(step.symbols).ravel()
            index, outside = bins.indices(symbols)
            arrays = (*bins.intervals(index), outside, symbols)
            parts.append([v.reshape(len(step.means), -1)[:rows] for v in arrays])
        try:
            step = generator.send(reply)
        except StopIteration:
            return parts


def padded(tiles, n):
    """Tiles with the last one repeated, so that there are n: networks compile for one size."""
    return np.concatenate([tiles, np.repeat(tiles[-1:], n - len(tiles), axis=0)])


def make_chunks(tiles, analysis, sizes, seeds):
    """The tiles as `Chunk`s of these sizes. `seeds` are those of the chunks' checksums.

    Tiles of `analysis.failed` are stored without the flow.
    """
    ends = np.cumsum(sizes)
    spans = [slice(end - size, end) for size, end in zip(sizes, ends)]
    guards = [[] for _ in range(len(tiles))]
    for number, rows, places, sides in analysis.guards:
        for guard in zip(number.tolist(), rows.tolist(), places.tolist(), sides.tolist()):
            if guard[1] < len(tiles):
                guards[guard[1]].append(guard)
    chunks = [_head(tiles, analysis, span, seed, guards) for span, seed in zip(spans, seeds)]
    lane_counts = [
        max(1, round(analysis.bits[span][~analysis.failed[span]].sum() / LANE_BITS))
        if len(chunk.coded)
        else 0
        for chunk, span in zip(chunks, spans)
    ]
    if any(lane_counts):
        values = [checks(chunk.crc, n) for chunk, n in zip(chunks, lane_counts)]
        coded = ~analysis.failed
        counts = [coded[span].sum() for span in spans]
        parts = []
        for starts, frequencies, *_ in analysis.parts:
            width = starts.shape[1]
            lanes = rans.Lanes([n * width for n in counts], lane_counts)
            parts.append((starts[coded].ravel(), frequencies[coded].ravel(), lanes))
        lanes = iter(rans.encode(parts, np.concatenate(values)))
        for chunk, n in zip(chunks, lane_counts):
            chunk.lanes = [next(lanes) for _ in range(n)]
    return chunks


def _head(tiles, analysis, span, seed, guards):
    """A chunk without its lanes."""
    failed = analysis.failed[span]
    chunk = Chunk(len(failed), [], np.flatnonzero(failed).tolist())
    chunk.crc = checksum(tiles[span], seed)
    if failed.any():
        chunk.plain_data = plain.pack(tiles[span][failed])
    for i in chunk.coded.tolist():
        for event, _, place, side in guards[span.start + i]:
            chunk.guards.append((event, i, place, int(side)))
    for _, _, outside, _ in analysis.parts:
        distances = outside[span][~failed].ravel()
        chunk.outside += distances[distances > 0].tolist()
    return chunk
