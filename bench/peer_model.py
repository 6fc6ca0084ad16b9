#!/usr/bin/env python3
"""Writes a copy of a GGUF file whose matrices are random weights in IQ4_KS, a format that only ik_llama.cpp has.

    bench/peer_model.py 7b-q4_0.gguf 7b-iq4_ks.gguf

For bench/generate.py --peer-model: the peer's own quantizer needs hours for 7 billion random weights, and its speed does not depend on
their values. Metadata, names and shapes are those of the file that is read; vectors are copied. A row of IQ4_KS is a float32 scale and,
for every 256 columns, 8 bytes of scales and 128 of 4-bit indices into a table of -127 to 113: any bytes are valid."""
import random, struct, sys

IQ4_KS, FILE_TYPE, ALIGN = 144, 145, 32
ROW_SCALE = 4e-6  # weights of about 0.02
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9


class Reader:
    def __init__(self, f):
        self.f = f

    def number(self, form):
        return struct.unpack("<" + form, self.f.read(struct.calcsize(form)))[0]

    def string(self):
        return self.f.read(self.number("Q"))

    def skip_value(self, kind):
        if kind == STRING:
            self.string()
        elif kind == ARRAY:
            of, n = self.number("I"), self.number("Q")
            if of in SIZES:
                self.f.seek(SIZES[of] * n, 1)
            else:
                for _ in range(n):
                    self.skip_value(of)
        else:
            self.f.seek(SIZES[kind], 1)


def read_header(f):
    """The metadata as it stands, with another file type, and the tensors: (name, dimensions, type, offset); then the data's place."""
    r = Reader(f)
    magic, version, n_tensor, n_value = r.number("4s"), r.number("I"), r.number("Q"), r.number("Q")
    assert magic == b"GGUF" and version == 3, "GGUF version 3 is expected"
    start, file_type = f.tell(), None
    for _ in range(n_value):
        key, kind = r.string(), r.number("I")
        if key == b"general.file_type":
            file_type = f.tell() - start
        r.skip_value(kind)
    end = f.tell()
    tensors = []
    for _ in range(n_tensor):
        name = r.string()
        dims = [r.number("Q") for _ in range(r.number("I"))]
        tensors.append((name, dims, r.number("I"), r.number("Q")))
    data = -(-f.tell() // ALIGN) * ALIGN
    f.seek(start)
    values = bytearray(f.read(end - start))
    if file_type is not None:
        struct.pack_into("<I", values, file_type, FILE_TYPE)
    return n_value, values, tensors, data


def row_bytes(cols):
    return 4 + cols // 256 * 136


def new_size(dims):
    return row_bytes(dims[0]) * dims[1] if len(dims) == 2 else 4 * dims[0]


def write_tensor(out, f, data, tensor, rng):
    name, dims, kind, offset = tensor
    if len(dims) == 1:
        assert kind == 0, "vectors are float32"
        f.seek(data + offset)
        out.write(f.read(4 * dims[0]))
        return
    assert dims[0] % 256 == 0, f"{name}: the columns must be a multiple of 256"
    scale = struct.pack("<f", ROW_SCALE)
    for _ in range(dims[1]):
        out.write(scale + rng.randbytes(row_bytes(dims[0]) - 4))


def main():
    with open(sys.argv[1], "rb") as f, open(sys.argv[2], "wb") as out:
        n_value, values, tensors, data = read_header(f)
        out.write(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), n_value) + values)
        at = 0
        for name, dims, kind, _ in tensors:
            kind = IQ4_KS if len(dims) == 2 else kind
            out.write(struct.pack(f"<Q{len(name)}sI{len(dims)}QIQ", len(name), name, len(dims), *dims, kind, at))
            at += -(-new_size(dims) // ALIGN) * ALIGN
        rng = random.Random(1)
        for tensor in tensors:
            out.write(bytes(-out.tell() % ALIGN))
            write_tensor(out, f, data, tensor, rng)
        out.write(bytes(-out.tell() % ALIGN))


if __name__ == "__main__":
    sys.exit(main())
