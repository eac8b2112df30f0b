"""Integers of 0 and more in as few bytes as they need: 7 bits a byte, the lowest first."""

LONGEST = 9  # bytes of an integer


class Damaged(ValueError):
    """A file that is not what was written: cut, changed, or put together from several."""


def varint(value):
    """The bytes of an integer."""
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    return bytes(result) + bytes([value])


class Reader:
    """Reads integers and bytes one after another; raises Damaged where they end too soon."""

    def __init__(self, data):
        self.data, self.place = memoryview(data), 0

    @property
    def left(self):
        """Bytes that are not read yet."""
        return len(self.data) - self.place

    def bytes(self, size):
        if size > self.left:
            raise Damaged(f"The data end too soon. Received: {self.left} of {size} bytes.")
        self.place += size
        return bytes(self.data[self.place - size : self.place])

    def varint(self, limit=2**62):
        """An integer of no more than `limit`."""
        value = 0
        for i in range(LONGEST):
            byte = self.bytes(1)[0]
            value |= (byte & 127) << 7 * i
            if byte < 128:
                break
        else:
            raise Damaged(f"A number has no end. Received: {value} so far.")
        if value > limit:
            raise Damaged(f"A number is larger than {limit}. Received: {value}.")
        return value

    def varints(self, count, limit=2**62):
        if count > self.left:
            raise Damaged(f"The data end too soon. Received: {self.left} of {count} numbers.")
        return [self.varint(limit) for _ in range(count)]
