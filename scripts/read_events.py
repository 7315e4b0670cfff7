# read_events.py: what the reader of TensorBoard has of a folder, for check-tensorboard.mjs: python read_events.py FOLDER
import json
import os
import sys
import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

folder = sys.argv[1]
# 0: all points, not a sample of them.
events = EventAccumulator(folder, size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
events.Reload()
tags = events.Tags()


def histogram(event):
    value = event.histogram_value
    facts = {"step": event.step, "min": value.min, "max": value.max, "num": value.num, "sum": value.sum}
    return {**facts, "limits": list(value.bucket_limit), "buckets": list(value.bucket)}


read = {
    "version": tensorboard.__version__,
    "files": len(os.listdir(folder)),
    "scalars": {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]},
    "histograms": {tag: [histogram(e) for e in events.Histograms(tag)] for tag in tags["histograms"]},
}
print(json.dumps(read))
