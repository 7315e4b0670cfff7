"""make_bf16.py: numbers in f32 and what PyTorch rounds them to in bf16, both as bits: bf16.json. Run: python make_bf16.py (torch)."""
import json, os, random, struct
import torch

random.seed(1)
bits = lambda x: struct.unpack("<I", struct.pack("<f", x))[0]
ties = [(high << 16) | low for high in (0x3F80, 0x3F81, 0xC2FE, 0xC2FF, 0x7F7F, 0x0080, 0x8080) for low in (0x7FFF, 0x8000, 0x8001)]
special = [0, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0xFF812345, 0x7F7FFFFF, 0x00800000, 0x807FFFFF, 1]
anything = [random.getrandbits(32) for _ in range(200)] + [bits(random.gauss(0, 1)) for _ in range(100)]
given = ties + special + anything
x = torch.tensor([b - 2**32 if b >= 2**31 else b for b in given], dtype=torch.int32).view(torch.float32)
rounded = [v & 0xFFFF for v in x.to(torch.bfloat16).view(torch.int16).tolist()]
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bf16.json")
with open(path, "w") as file:
    json.dump({"torch": torch.__version__, "f32": given, "bf16": rounded}, file)
    file.write("\n")
