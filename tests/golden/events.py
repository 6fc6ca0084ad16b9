# Event records as TensorBoard's own classes write them: prints events.h. Needs the package tensorboard.
# With a directory as argument it instead reads event files in it with TensorBoard's reader and prints their curves.
import sys
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

if len(sys.argv) > 1:
    from tensorboard.backend.event_processing import event_accumulator
    a = event_accumulator.EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
    a.Reload()
    for tag in a.Tags()["scalars"]:
        print(tag, [(s.step, s.value) for s in a.Scalars(tag)])
    for tag in a.Tags()["tensors"]:
        print(tag, [(t.step, list(t.tensor_proto.string_val)) for t in a.Tensors(tag)])
    sys.exit()

V, S, E = summary_pb2.Summary.Value, summary_pb2.Summary, event_pb2.Event
text = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b"hi"],
                              tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]))
meta = summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text"))
events = [
    E(wall_time=0.5, file_version="brain.Event:2"),
    E(wall_time=0.5, step=5, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)),
    E(wall_time=0.5, step=7, summary=S(value=[V(tag="train/loss", simple_value=1.5)])),
    E(wall_time=0.5, step=300, summary=S(value=[V(tag="a/b", tensor=text, metadata=meta)])),
]
print("/* Made by events.py: the records that tests/train/events.c writes, all at the time 0.5. */")
for e in events:
    print('"' + e.SerializeToString(deterministic=True).hex() + '",')
