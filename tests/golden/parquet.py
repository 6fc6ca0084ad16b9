"""Small Parquet files, written by Apache Arrow with every compression and encoding that src/data/parquet.c reads, and the same rows
as JSON Lines. Usage: parquet.py, in this folder; needs pyarrow."""
import json, os
import pyarrow as pa, pyarrow.parquet as pq

os.makedirs("parquet", exist_ok=True)
rows = [dict(id=i * 7919 % 1000, text=["Hello, world", "床前明月光,\n疑是地上霜。", "", "\"quoted\" \\ back\t\u0001", "x" * 300][i % 5],
             url=None if i % 3 == 0 else f"https://example.org/{i // 4}/page", score=i / 8 - 1, ratio=None if i % 4 == 1 else i * 0.1,
             good=None if i % 7 == 0 else i % 2 == 0, big=(i - 20) * 10**15,
             meta=None if i % 6 == 0 else dict(lang=None if i % 5 == 0 else ["zh", "en"][i % 2], depth=i, deeper=dict(why=f"r{i % 3}")),
             tags=None if i % 8 == 1 else [None if k == 1 else f"t{k}" for k in range(i % 4)], marks=[k * k - i for k in range(i % 3)])
        for i in range(60)]
schema = pa.schema([("id", pa.int32()), pa.field("text", pa.string(), nullable=False), ("url", pa.string()), ("score", pa.float32()), ("ratio", pa.float64()),
                    ("good", pa.bool_()), ("big", pa.int64()),
                    ("meta", pa.struct([("lang", pa.string()), ("depth", pa.uint16()), ("deeper", pa.struct([("why", pa.string())]))])),
                    ("tags", pa.list_(pa.string())), ("marks", pa.list_(pa.int64()))])
# Left out of the JSON: fixed-length bytes and lists of groups.
extra = [pa.array([b"0123456789abcdef"] * len(rows), pa.binary(16)), pa.array([[dict(a=1, b="x")]] * len(rows))]
table = pa.Table.from_pylist(rows, schema=schema).append_column("digest", extra[0]).append_column("pairs", extra[1])
plain = dict(use_dictionary=False, store_schema=False, write_statistics=False)
delta = {"id": "DELTA_BINARY_PACKED", "big": "DELTA_BINARY_PACKED", "text": "DELTA_LENGTH_BYTE_ARRAY", "url": "DELTA_BYTE_ARRAY"}
for name, options in dict(
        plain=dict(compression="none", **plain), dictionary=dict(compression="snappy", use_dictionary=True, store_schema=False, row_group_size=23),
        gzip=dict(compression="gzip", data_page_version="2.0", data_page_size=64, write_batch_size=8, store_schema=False),
        zstd=dict(compression="zstd", data_page_size=100, write_batch_size=4, row_group_size=31, **plain),
        delta=dict(compression="snappy", column_encoding=delta, data_page_version="2.0", **plain),
        brotli=dict(compression="brotli", **plain)).items():
    pq.write_table(table if name != "brotli" else table.select(["text"]).slice(0, 2), f"parquet/{name}.parquet", **options)
with open("parquet/rows.jsonl", "w") as f:
    for r in rows:
        f.write(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n")
