"""Interleaved range asymmetric numeral systems (rANS), over many lanes at once.

A lane codes a sequence of symbols with one integer state in [2^32, 2^64) and a stack of 32-bit
words. Probabilities are integers out of 2^24. A lane begins with a check value in its state, which
the decoder finds there at the end: so the bits that a state costs are a checksum.
Paper: Duda, Asymmetric numeral systems (1311.2540); Giesen, Interleaved entropy coders (1402.3392).
"""

import numpy as np

PRECISION = 24  # bits of a probability
TOTAL = 1 << PRECISION
LOW = 32  # a state is at least 2^LOW; bits of a word
BLOCK = 2**14  # symbols whose search is prepared at once
_U = np.uint64


class Lanes:
    """Which symbols of a flat array belong to which lane.

    Chunk c has `counts[c]` consecutive symbols, which are dealt to its `lanes[c]` lanes in turn.
    `steps()` yields, for each step, the positions of one symbol in each lane that has one left,
    and these lanes; None for all lanes.
    """

    def __init__(self, counts, lanes):
        counts, lanes = np.int64(counts), np.int64(lanes)
        begin = np.cumsum(counts) - counts
        number = np.arange(lanes.sum()) - np.repeat(np.cumsum(lanes) - lanes, lanes)
        self.first = np.repeat(begin, lanes) + number
        self.stride = np.repeat(lanes, lanes)
        self.end = np.repeat(begin + counts, lanes)
        used = lanes > 0
        self.count = int(np.max(-(-counts[used] // lanes[used]), initial=0))

    def steps(self, reverse=False):
        order = range(self.count)
        for t in reversed(order) if reverse else order:
            positions = self.first + t * self.stride
            active = positions < self.end
            if active.all():
                yield positions, None
            else:
                active = np.flatnonzero(active)
                yield positions[active], active

    def blocks(self):
        """The steps in lists of about `BLOCK` symbols."""
        block, size = [], 0
        for positions, active in self.steps():
            block.append((positions, active))
            size += len(positions)
            if size >= BLOCK:
                yield block
                block, size = [], 0
        if block:
            yield block


def encode(parts, checks):
    """Codes symbols, the last one first.

    Args:
        parts: list of (starts, frequencies, lanes): flat arrays with the interval of each symbol,
            out of TOTAL, and the `Lanes` that deal them out. They are decoded in this order.
        checks: the check value of each lane, 32 bits.

    Returns the bytes of each lane.
    """
    states = (_U(1) << _U(LOW)) + np.asarray(checks, "uint64")
    steps = sum(lanes.count for _, _, lanes in parts)
    size = steps * PRECISION // LOW + 2  # the most words that a lane can need
    words = np.empty(size * len(states), ">u4")
    ends = (np.arange(len(states)) + 1) * size
    places = ends.copy()
    for starts, frequencies, lanes in reversed(parts):
        for positions, active in lanes.steps(reverse=True):
            s = states if active is None else states[active]
            s = _push(s, starts[positions], frequencies[positions], words, places, active)
            if active is None:
                states = s
            else:
                states[active] = s
    heads = [int(s).to_bytes(8, "big").lstrip(b"\0") for s in states]
    return [head + words[a:b].tobytes() for head, a, b in zip(heads, places, ends)]


def _push(s, start, frequency, words, places, active):
    """The states after one more symbol; words that do not fit any more go to the stacks."""
    frequency = frequency.astype("uint64")
    full = np.flatnonzero(s >= frequency << _U(64 - PRECISION))
    if len(full):
        lanes = full if active is None else active[full]
        places[lanes] -= 1
        words[places[lanes]] = (s[full] & _U(2**LOW - 1)).astype("uint32")
        s = s.copy() if active is None else s
        s[full] >>= _U(LOW)
    quotient = s // frequency
    return s + quotient * (_U(TOTAL) - frequency) + start.astype("uint64")


class Decoder:
    """Decodes symbols from the bytes of lanes, part after part.

    A damaged lane gives wrong symbols, and `damaged` then finds it by its check value.
    """

    def __init__(self, lanes):
        heads = [(len(lane) - 1) % 4 + 5 for lane in lanes]  # 5 to 8 bytes of state
        states = [int.from_bytes(lane[:n], "big") for lane, n in zip(lanes, heads)]
        self.states = np.array(states, "uint64")
        bodies = [lane[n:] for lane, n in zip(lanes, heads)]
        self.words = np.frombuffer(b"".join(bodies) + bytes(4), ">u4").astype("uint64")
        sizes = np.array([len(body) // 4 for body in bodies], "int64")
        self.ends = np.cumsum(sizes)
        self.places = self.ends - sizes

    def decode(self, lanes, search):
        """One symbol for each position of `lanes`: an array of indices.

        `search(positions)` returns a function of a slice of these positions and their slots, which
        gives index, start and frequency of the symbols whose intervals contain the slots.
        """
        result = np.empty(int(np.max(lanes.end, initial=0)), "int32")
        for steps in lanes.blocks():
            find, begin = search(np.concatenate([positions for positions, _ in steps])), 0
            for positions, active in steps:
                span = slice(begin, begin + len(positions))
                result[positions] = self._pop(active, find, span)
                begin += len(positions)
        return result

    def _pop(self, active, find, span):
        """The next index of the active lanes, whose states change."""
        s = self.states if active is None else self.states[active]
        slots = (s & _U(TOTAL - 1)).astype("int64")
        index, start, frequency = find(span, slots)
        s = frequency.astype("uint64") * (s >> _U(PRECISION)) + (slots - start).astype("uint64")
        small = np.flatnonzero(s < _U(2**LOW))
        if len(small):
            which = small if active is None else active[small]
            places = np.minimum(self.places[which], len(self.words) - 1)
            s[small] = (s[small] << _U(LOW)) | self.words[places]
            self.places[which] += 1
        if active is None:
            self.states = s
        else:
            self.states[active] = s
        return index

    def damaged(self, checks):
        """Which lanes do not end with their check value and their last word."""
        expected = (_U(1) << _U(LOW)) + np.asarray(checks, "uint64")
        return (self.states != expected) | (self.places != self.ends)
