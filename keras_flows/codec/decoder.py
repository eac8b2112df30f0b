"""Chunks to tiles: networks for batches of tiles, and all lanes of all chunks side by side."""

import numpy as np

from keras_flows.codec import plain, rans, rounding
from keras_flows.codec.bins import Bins, Search, quantised
from keras_flows.codec.chunks import checks, checksum
from keras_flows.codec.encoder import FARTHEST
from keras_flows.codec.varints import Damaged
from keras_flows.flow.integer_codes import Shift


def decode_chunks(codes, chunks, seeds, batch_size):
    """The tiles of all chunks, uint8 `(n, *data_shape)`, and which of the chunks are damaged.

    Tiles of damaged chunks may be anything.
    """
    counts = [len(chunk.coded) for chunk in chunks]
    result = np.zeros((sum(chunk.tiles for chunk in chunks), *codes.data_shape), "uint8")
    damaged = np.zeros(len(chunks), bool)
    lane_counts = [len(chunk.lanes) for chunk in chunks]
    decoder = rans.Decoder([lane for chunk in chunks for lane in chunk.lanes])
    coded = np.zeros((0, *codes.data_shape), "uint8")
    if sum(counts):
        coded = _Symbols(codes, chunks, counts, decoder, damaged).tiles(batch_size)
    begin, taken = 0, 0
    ends = np.cumsum(lane_counts)
    values = []
    for i, chunk in enumerate(chunks):
        tiles = result[begin : begin + chunk.tiles]
        tiles[chunk.coded] = coded[taken : taken + counts[i]]
        if chunk.plain:
            try:
                tiles[chunk.plain] = plain.unpack(
                    chunk.plain_data, (len(chunk.plain), *codes.data_shape)
                )
            except Damaged:
                damaged[i] = True
        crc = checksum(tiles, seeds[i])
        values.append(checks(crc, lane_counts[i]))
        damaged[i] |= chunk.crc not in (None, crc)
        begin, taken = begin + chunk.tiles, taken + counts[i]
    wrong = decoder.damaged(np.concatenate(values))
    for i, end in enumerate(ends):
        damaged[i] |= wrong[end - lane_counts[i] : end].any()
    return result, damaged


class _Symbols:
    """Decodes the symbols of chunks, part by part, as their distributions become known."""

    def __init__(self, codes, chunks, counts, decoder, damaged):
        self.codes, self.counts, self.decoder, self.damaged = codes, counts, decoder, damaged
        self.lane_counts = [len(chunk.lanes) for chunk in chunks]
        self.outside = [iter(chunk.outside) for chunk in chunks]
        self.guards = {}
        first = 0
        for chunk, count in zip(chunks, counts):
            place = dict(zip(chunk.coded.tolist(), range(first, first + count)))
            for event, tile, position, side in chunk.guards:
                if tile in place:
                    self.guards.setdefault(event, []).append((place[tile], position, side))
            first += count
        self.guards = {k: np.int64(v).T for k, v in self.guards.items()}

    def tiles(self, batch_size):
        """All tiles, with networks that see `batch_size` of them at a time."""
        n = sum(self.counts)
        firsts = range(0, n, batch_size)
        generators = [self.codes.decode(batch_size) for _ in firsts]
        replays = [rounding.Replay(self.guards, first) for first in firsts]
        replies, results = [None] * len(generators), [None] * len(generators)
        while True:
            parts = []
            for i, generator in enumerate(generators):
                part = _advance(generator, replies[i], replays[i])
                if isinstance(part, np.ndarray):
                    results[i] = part
                else:
                    bins = quantised(part.index, part, replays[i])
                    parts.append(bins)
                    shape = part.means.shape[:-1]
            if not parts:
                return np.concatenate(results)[:n]
            width = int(np.prod(shape[1:]))
            symbols = self._part(Bins.joined(parts), width)
            rest = np.zeros(len(firsts) * batch_size * width - len(symbols), "int64")
            replies = list(np.concatenate([symbols, rest]).reshape(len(firsts), *shape))

    def _part(self, bins, width):
        """The symbols of a part of all coded tiles."""
        counts = [n * width for n in self.counts]
        lanes = rans.Lanes(counts, self.lane_counts)

        index = self.decoder.decode(lanes, lambda places: Search(bins.take(places)).find)
        bins = bins.slice(slice(len(index)))
        symbols = bins.symbols(index).astype("int64")
        below, above = index == 0, index == bins.size + 1
        begin = 0
        for i, count in enumerate(counts):
            span = slice(begin, begin + count)
            for place in np.flatnonzero(below[span] | above[span]).tolist():
                distance = next(self.outside[i], 0)
                if not 0 < distance < FARTHEST:
                    self.damaged[i], distance = True, 1
                symbols[begin + place] += (distance - 1) * (-1 if below[begin + place] else 1)
            begin += count
        return symbols


def _advance(generator, reply, replay):
    """The next `Part` of a generator, or its result; shifts are rounded on the way."""
    try:
        step = generator.send(reply)
        while isinstance(step, Shift):
            event = rounding.event(rounding.SHIFT, step.index)
            step = generator.send(replay.round(event, step.values))
        return step
    except StopIteration as end:
        return np.asarray(end.value)
