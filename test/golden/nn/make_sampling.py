# make_sampling.py: probabilities of tokens after temperature, top-k and top-p in f64, in the order and by the rules of transformers 4 (logits_process.py). Run: python make_sampling.py > sampling.json
import json
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(5)


def top_k(scores, k):
    """TopKLogitsWarper."""
    k = min(k, scores.size(-1))
    return scores.masked_fill(scores < torch.topk(scores, k)[0][..., -1, None], -float("inf"))


def top_p(scores, p):
    """TopPLogitsWarper with min_tokens_to_keep 1."""
    ascending, indices = torch.sort(scores, descending=False)
    remove = ascending.softmax(dim=-1).cumsum(dim=-1) <= (1 - p)
    remove[..., -1:] = 0
    return scores.masked_fill(remove.scatter(-1, indices, remove), -float("inf"))


LOGITS, CASES = [], []
for size, scale in [(5, 1.0), (11, 3.0), (40, 0.3), (300, 2.0)]:
    logits = (scale * torch.randn(size)).float().double()
    for temperature in [1.0, 0.7, 1.9]:
        for k in [None, 3, 50]:
            for p in [1.0, 0.95, 0.5, 0.1]:
                scores = logits / temperature
                if k is not None:
                    scores = top_k(scores, k)
                if p < 1:
                    scores = top_p(scores, p)
                kept = {str(i): float(f"{v:.9g}") for i, v in enumerate(scores.softmax(-1).tolist()) if v > 0}
                CASES.append({"logits": len(LOGITS), "temperature": temperature, "topK": k, "topP": p, "kept": kept})
    LOGITS.append([float(f"{v:.9g}") for v in logits.tolist()])
print(json.dumps({"logits": LOGITS, "cases": CASES}, separators=(",", ":")))
