# make_events.py: records of events as the writer of TensorBoard makes them, for tensorboard.test.ts. Run: python make_events.py > events.json
import io
import json
import numpy as np
import tensorboard
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter


class Kept(io.BytesIO):
    """What is written stays to be read when the writer has closed it."""

    def close(self):
        pass


def record(event):
    out = Kept()
    writer = RecordWriter(out)
    writer.write(event.SerializeToString())
    writer.close()
    return out.getvalue().hex()


def scalar(tag, value):
    return summary_pb2.Summary.Value(tag=tag, simple_value=value)


# As f32, each in a bucket of an eighth of its power of two; an empty one between two that do not touch.
values = [float(np.float32(v)) for v in [-1.5, 0, 0.25, 0.26, 3]]
histogram = summary_pb2.HistogramProto(
    min=min(values),
    max=max(values),
    num=len(values),
    sum=sum(values),
    sum_squares=sum(v * v for v in values),
    bucket_limit=[-1.5, 0.0, 2.0**-129, 0.25, 0.28125, 3.0, 3.25],
    bucket=[1.0, 0.0, 1.0, 0.0, 2.0, 0.0, 1.0],
)
made = {
    "tensorboard": tensorboard.__version__,
    "version": record(event_pb2.Event(wall_time=1234567890.25, file_version="brain.Event:2")),
    "start": record(
        event_pb2.Event(
            wall_time=1234567890.25, step=77, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        )
    ),
    "scalars": record(
        event_pb2.Event(
            wall_time=1234567890.5,
            step=300,
            summary=summary_pb2.Summary(value=[scalar("train/loss", 0.1), scalar("validation/größe", float("nan"))]),
        )
    ),
    "histogram": record(
        event_pb2.Event(
            wall_time=1.0,
            step=2**33,
            summary=summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="weights/fc", histo=histogram)]),
        )
    ),
}
print(json.dumps(made, indent=1))
