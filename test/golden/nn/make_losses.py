# make_losses.py: losses with weights, ignored labels and margins as PyTorch computes them in f64, for losses.test.ts. Run: python make_losses.py > losses.json
import json
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(3)
CASES = []


def flat(t):
    return [float(f"{v:.9g}") for v in t.detach().reshape(-1).tolist()]


def f32(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).float().double()


def case(name, f, ins, options, wanted):
    """f(ins) with gradients of the first `wanted` inputs; options as the library names them."""
    ins = [x.clone().requires_grad_() if i < wanted else x for i, x in enumerate(ins)]
    value = f(*ins)
    if wanted:
        value.sum().backward()
    arrays = [{"shape": list(x.shape), "data": flat(x), "dtype": "f32" if x.is_floating_point() else "i32"} for x in ins]
    CASES.append({"loss": name, "ins": arrays, "options": options, "value": flat(value),
                  "grads": [flat(x.grad) for x in ins[:wanted]]})


REDUCTIONS = ["mean", "sum", "none"]

# Labels. The last row of `ignored` is ignored, and so is one inside.
x, y = f32(5, 4, scale=2), torch.tensor([0, 3, 1, 3, 2])
ignored = torch.tensor([0, -100, 1, 3, -100])
w = torch.tensor([0.5, 2.0, 0.0, 1.25])
weights = {"weight": w.tolist()}
for r in REDUCTIONS:
    for s in [0.0, 0.25]:
        o = {"reduction": r, **({"labelSmoothing": s} if s else {})}
        ce = lambda a, k, **kw: F.cross_entropy(a, k, reduction=r, label_smoothing=s, **kw)
        case("crossEntropy", lambda a, k: ce(a, k, weight=w), [x, y], {**o, **weights}, 1)
        case("crossEntropy", lambda a, k: ce(a, k), [x, ignored], {**o, "ignoreIndex": -100}, 1)
        case("crossEntropy", lambda a, k: ce(a, k, weight=w), [x, ignored], {**o, **weights, "ignoreIndex": -100}, 1)
    log = F.log_softmax(x, -1)
    case("nll", lambda a, k: F.nll_loss(a, k, reduction=r), [log, y], {"reduction": r}, 1)
    case("nll", lambda a, k: F.nll_loss(a, k, reduction=r, weight=w, ignore_index=3), [log, y],
         {"reduction": r, **weights, "ignoreIndex": 3}, 1)


def focal(a, k, gamma, weight=None):  # by hand: PyTorch has none
    ce = F.cross_entropy(a, k, reduction="none")
    of = torch.ones(len(k)) if weight is None else weight[k]
    return (of * (1 - torch.exp(-ce)) ** gamma * ce).sum() / of.sum()


case("focal", lambda a, k: focal(a, k, 2), [x, y], {}, 1)
case("focal", lambda a, k: focal(a, k, 0.5, w), [x, y], {"gamma": 0.5, **weights}, 1)
case("focal", lambda a, k: F.cross_entropy(a, k, weight=w), [x, y], {"gamma": 0, **weights}, 1)

# Binary.
z, p = f32(3, 4, scale=4), torch.rand(3, 4).float().double()
z[0, 0], z[0, 1], p[0, 2], p[1] = 0, 60, 1, torch.tensor([0.0, 1, 1, 0])
bce = F.binary_cross_entropy_with_logits
for r in REDUCTIONS:
    case("bceWithLogits", lambda a, b: bce(a, b, reduction=r, pos_weight=torch.tensor(3.0)), [z, p], {"reduction": r, "posWeight": 3}, 1)
case("bceWithLogits", lambda a, b: bce(a, b, pos_weight=w, weight=w), [z, p], {"posWeight": w.tolist(), **weights}, 1)


def sigmoid_focal(a, b, alpha, gamma, reduction):  # torchvision.ops.sigmoid_focal_loss
    prob = torch.sigmoid(a)
    ce = bce(a, b, reduction="none")
    p_t = prob * b + (1 - prob) * (1 - b)
    loss = ce * ((1 - p_t) ** gamma)
    if alpha >= 0:
        loss = (alpha * b + (1 - alpha) * (1 - b)) * loss
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


z2 = z.clone().clamp(-20, 20)  # beyond, 1 - p_t loses its bits even in f64
for r in REDUCTIONS:
    case("sigmoidFocal", lambda a, b: sigmoid_focal(a, b, 0.25, 2, r), [z2, p], {"reduction": r}, 1)
case("sigmoidFocal", lambda a, b: sigmoid_focal(a, b, -1, 1.5, "mean"), [z2, p], {"alpha": None, "gamma": 1.5}, 1)
case("sigmoidFocal", lambda a, b: sigmoid_focal(a, b, 0.75, 0, "mean"), [z2, p], {"alpha": 0.75, "gamma": 0}, 1)

# Numbers.
a, b = f32(3, 4, scale=2), f32(3, 4)
b[0, 0] = a[0, 0]
for r in REDUCTIONS:
    case("smoothL1", lambda u, v: F.smooth_l1_loss(u, v, reduction=r, beta=0.5), [a, b], {"reduction": r, "beta": 0.5}, 1)
    case("poissonNll", lambda u, v: F.poisson_nll_loss(u, v, reduction=r), [a, b.abs().round()], {"reduction": r}, 1)
    case("gaussianNll", lambda u, s, v: F.gaussian_nll_loss(u, v, s, reduction=r), [a, b.abs() + 0.125, f32(3, 4)], {"reduction": r}, 2)
    case("mse", lambda u, v: F.mse_loss(u, v, reduction=r), [a, b], {"reduction": r}, 2)
case("smoothL1", lambda u, v: F.smooth_l1_loss(u, v, beta=0), [a, b], {"beta": 0}, 1)
counts = (4 * b.abs()).round()
case("poissonNll", lambda u, v: F.poisson_nll_loss(u, v, full=True), [a, counts], {"full": True}, 1)
case("poissonNll", lambda u, v: F.poisson_nll_loss(u, v, log_input=False, eps=0.01), [a.abs() + 0.5, counts], {"logInput": False, "eps": 0.01}, 1)
case("gaussianNll", lambda u, s, v: F.gaussian_nll_loss(u, v, s, full=True), [a, b.abs() + 0.125, b], {"full": True}, 2)

# Distributions and vectors.
lp, q = F.log_softmax(f32(3, 5), -1), F.softmax(f32(3, 5), -1)
q[0, 1] = 0
for r in REDUCTIONS + ["batchmean"]:
    case("klDiv", lambda u, v: F.kl_div(u, v, reduction=r), [lp, q], {"reduction": r}, 1)
    case("klDiv", lambda u, v: F.kl_div(u, v, reduction=r, log_target=True), [lp, torch.log(q + 0.125)], {"reduction": r, "logTarget": True}, 2)
u, v, s = f32(4, 6), f32(4, 6), f32(4, 6)
sides = torch.tensor([1.0, -1, 1, -1])
v[1] = u[1] + 0.25 * v[1]
case("cosineSimilarity", lambda i, j: F.cosine_similarity(i, j, dim=-1), [u, v], {}, 2)
case("cosineSimilarity", lambda i, j: F.cosine_similarity(i, j, dim=-1, eps=4.0), [u, v], {"eps": 4}, 0)  # below eps PyTorch's gradient is that of another function
for r in REDUCTIONS:
    case("cosineEmbedding", lambda i, j, t: F.cosine_embedding_loss(i, j, t, margin=0.125, reduction=r), [u, v, sides], {"reduction": r, "margin": 0.125}, 2)
    case("tripletMargin", lambda i, j, k: F.triplet_margin_loss(i, j, k, reduction=r), [u, v, s], {"reduction": r}, 3)
    case("marginRanking", lambda i, j, t: F.margin_ranking_loss(i, j, t, margin=0.5, reduction=r), [u[:, 0], v[:, 0], sides], {"reduction": r, "margin": 0.5}, 2)
    case("hingeEmbedding", lambda i, t: F.hinge_embedding_loss(i, t, reduction=r), [u[:, 0].abs(), sides], {"reduction": r}, 1)
for o in [{"p": 1, "swap": True}, {"p": 3, "margin": 2.5}, {"swap": True, "eps": 0.01, "margin": 5}]:
    case("tripletMargin", lambda i, j, k: F.triplet_margin_loss(i, j, k, **o), [u, v, s], o, 3)
case("weightedMean", lambda i, j: (i * j).sum() / j.sum(), [u, v.abs()], {}, 1)
case("hinge", lambda i, t: torch.clamp(1 - t * i, min=0).mean(), [u[:, 0], sides], {}, 1)

# Probabilities of classes as targets.
soft = F.softmax(f32(5, 4), -1).float().double()
soft[0] = torch.tensor([0.0, 1, 0, 0])
for r in REDUCTIONS:
    for smoothing in [0.0, 0.25]:
        o = {"reduction": r, **({"labelSmoothing": smoothing} if smoothing else {})}
        case("crossEntropy", lambda a, t: F.cross_entropy(a, t, reduction=r, label_smoothing=smoothing), [x, soft], o, 2)
        case("crossEntropy", lambda a, t: F.cross_entropy(a, t, weight=w, reduction=r, label_smoothing=smoothing), [x, soft], {**o, **weights}, 1)

# Probabilities of yes or no: at 0 and 1 PyTorch's gradient is cut off where it is wrong, so there values alone.
chance = torch.sigmoid(f32(3, 4)).float().double()
edge = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.5])
for r in REDUCTIONS:
    case("bce", lambda i, t: F.binary_cross_entropy(i, t, reduction=r), [chance, p], {"reduction": r}, 1)
    case("bce", lambda i, t: F.binary_cross_entropy(i, t, weight=w, reduction=r), [chance, p], {"reduction": r, **weights}, 1)
case("bce", lambda i, t: F.binary_cross_entropy(i, t, reduction="none"), [edge, torch.tensor([0.0, 1, 0, 1, 1])], {"reduction": "none"}, 0)

# Margins of classes, and several labels.
several = torch.tensor([[2, 0, -1, 1], [3, -1, -1, -1], [-1, 0, 1, 2], [0, 1, 2, 3], [1, 1, 3, -1]])
hot = (torch.rand(5, 4) < 0.5).double()
for r in REDUCTIONS:
    case("multiMargin", lambda a, k: F.multi_margin_loss(a, k, reduction=r), [x, y], {"reduction": r}, 1)
    case("multiMargin", lambda a, k: F.multi_margin_loss(a, k, p=2, margin=0.75, weight=w, reduction=r), [x, y], {"reduction": r, "p": 2, "margin": 0.75, **weights}, 1)
    case("multiLabelMargin", lambda a, k: F.multilabel_margin_loss(a, k, reduction=r), [x, several], {"reduction": r}, 1)
    case("multiLabelSoftMargin", lambda a, k: F.multilabel_soft_margin_loss(a, k, reduction=r), [x, hot], {"reduction": r}, 1)
    case("multiLabelSoftMargin", lambda a, k: F.multilabel_soft_margin_loss(a, k, weight=w, reduction=r), [x, hot], {"reduction": r, **weights}, 1)
    case("softMargin", lambda a, k: F.soft_margin_loss(a, k, reduction=r), [x, 2 * hot - 1], {"reduction": r}, 1)

# A variance for each row, and one for all.
spread = torch.tensor([0.5, 2.0, 0.125])
for shape in [(3,), (3, 1)]:
    case("gaussianNll", lambda i, s, t: F.gaussian_nll_loss(i, t, s), [a, spread.reshape(shape), b], {}, 2)
case("gaussianNll", lambda i, s, t: F.gaussian_nll_loss(i, t, s.expand(3, 4)), [a, torch.tensor(0.75), b], {}, 2)
case("gaussianNll", lambda i, s, t: F.gaussian_nll_loss(i, t, s.expand(3, 4), reduction="none"), [a, (f32(1, 4).abs() + 0.5).float().double(), b], {"reduction": "none"}, 2)

# Weights of elements or rows: what PyTorch gives without a reduction, times them; a mean divides by their sum. Where they are 0 what is not finite
# is not read: PyTorch is given something else there.


def weighed(name, f, ins, options, weight, wanted, missing=(), own=1.0, per=1.0):
    """`missing`: inputs that hold NaN where the weight is 0; `own`: weights that f has applied, and a mean divides by; `per`: what a mean divides each by."""
    for r in REDUCTIONS:
        def loss(*given):
            each = f(*given)
            w = weight.reshape(weight.shape + (1,) * (each.dim() - weight.dim())).expand(each.shape)
            total = (w * each).sum()
            return (w * each / per).sum() / (own * w).sum() if r == "mean" else total if r == "sum" else w * each
        case(name, loss, ins, {**options, "reduction": r}, wanted)
        one = CASES[-1]
        one["weights"] = {"shape": list(weight.shape), "data": flat(weight), "dtype": "f32"}
        for i in missing:
            t = ins[i]
            gone = (weight == 0).reshape(weight.shape + (1,) * (t.dim() - weight.dim())).expand(t.shape)
            one["ins"][i]["data"] = [None if g else v for v, g in zip(flat(t), gone.reshape(-1).tolist())]


each, of_rows, of_labels = torch.tensor([0.5, 0, 2, 1, 1, 0, 0.25, 3, 0, 1, 1, 2]).reshape(3, 4), torch.tensor([2.0, 0, 0.5]), torch.tensor([1.0, 0, 0.5, 2, 0])
n = {"reduction": "none"}
for weight in [each, of_rows]:
    weighed("mse", lambda i, t: F.mse_loss(i, t, **n), [a, b], {}, weight, 1, (0, 1))
    weighed("l1", lambda i, t: F.l1_loss(i, t, **n), [a, b], {}, weight, 1, (1,))
    weighed("huber", lambda i, t: F.huber_loss(i, t, **n), [a, b], {}, weight, 1, (1,))
    weighed("smoothL1", lambda i, t: F.smooth_l1_loss(i, t, beta=0.5, **n), [a, b], {"beta": 0.5}, weight, 1, (1,))
    weighed("poissonNll", lambda i, t: F.poisson_nll_loss(i, t, **n), [a, counts], {}, weight, 1, (1,))
    weighed("poissonNll", lambda i, t: F.poisson_nll_loss(i, t, log_input=False, eps=0, **n), [((a.abs() + 0.5) * 64).round() / 64, counts], {"logInput": False, "eps": 0}, weight, 1, (0, 1))
    weighed("gaussianNll", lambda i, s, t: F.gaussian_nll_loss(i, t, s, **n), [a, b.abs() + 0.125, b], {}, weight, 2, (0, 2))
    weighed("bceWithLogits", lambda i, t: bce(i, t, **n), [z, p], {}, weight, 1, (0, 1))
    weighed("bceWithLogits", lambda i, t: bce(i, t, weight=w, **n), [z, p], weights, weight, 1, (1,))
    weighed("bce", lambda i, t: F.binary_cross_entropy(i, t, **n), [chance, p], {}, weight, 1, (0, 1))
    weighed("sigmoidFocal", lambda i, t: sigmoid_focal(i, t, 0.25, 2, "none"), [z2, p], {}, weight, 1, (1,))
    weighed("klDiv", lambda i, t: F.kl_div(i, t, **n), [F.log_softmax(a, -1), F.softmax(b, -1)], {}, weight, 1, (1,))
    weighed("hinge", lambda i, t: torch.clamp(1 - t * i, min=0), [a, b.sign()], {}, weight, 1, (1,))
    weighed("hingeEmbedding", lambda i, t: F.hinge_embedding_loss(i, t, **n), [a.abs(), b.sign()], {}, weight, 1, (1,))
    weighed("marginRanking", lambda i, j, t: F.margin_ranking_loss(i, j, t, **n), [a, chance, b.sign()], {}, weight, 2, (0, 2))
    weighed("softMargin", lambda i, t: F.soft_margin_loss(i, t, **n), [a, b.sign()], {}, weight, 1, (1,))
weighed("crossEntropy", lambda i, k: F.cross_entropy(i, k, **n), [x, y], {}, of_labels, 1, (0,))
weighed("crossEntropy", lambda i, k: F.cross_entropy(i, k, label_smoothing=0.25, **n), [x, y], {"labelSmoothing": 0.25}, of_labels, 1)
weighed("crossEntropy", lambda i, k: F.cross_entropy(i, k, weight=w, **n), [x, y], weights, of_labels, 1, (0,), w[y])
weighed("crossEntropy", lambda i, t: F.cross_entropy(i, t, **n), [x, soft], {}, of_labels, 2, (0, 1))
weighed("nll", lambda i, k: F.nll_loss(i, k, **n), [F.log_softmax(x, -1), y], {}, of_labels, 1)
weighed("nll", lambda i, k: F.nll_loss(i, k, weight=w, **n), [F.log_softmax(x, -1), y], weights, of_labels, 1, (), w[y])
weighed("focal", lambda i, k: (1 - torch.exp(-F.cross_entropy(i, k, **n))) ** 2 * F.cross_entropy(i, k, **n), [x, y], {}, of_labels, 1)
weighed("multiMargin", lambda i, k: F.multi_margin_loss(i, k, **n), [x, y], {}, of_labels, 1, (0,))
weighed("multiLabelMargin", lambda i, k: F.multilabel_margin_loss(i, k, **n), [x, several], {}, of_labels, 1)
weighed("multiLabelSoftMargin", lambda i, k: F.multilabel_soft_margin_loss(i, k, **n), [x, hot], {}, of_labels, 1, (0, 1))
sides_of = torch.tensor([1.0, 0, 2, 0.5])
weighed("cosineEmbedding", lambda i, j, t: F.cosine_embedding_loss(i, j, t, **n), [u, v, sides], {}, sides_of, 2, (0, 2))
weighed("tripletMargin", lambda i, j, k: F.triplet_margin_loss(i, j, k, eps=0, **n), [u, v, s], {"eps": 0}, sides_of, 3, (0, 1, 2))

# Labels of sequences. PyTorch has time first, and no gradient of log-probabilities but that of their softmax's logits.
def ctc(x, y, frames, counts, **options):
    return F.ctc_loss(F.log_softmax(x, -1).transpose(0, 1), y.clamp(min=0), frames, counts, **options)


speech = f32(4, 7, 5, scale=2)
spoken = torch.tensor([[1, 2, 2, 4], [3, -1, -1, -1], [-1, -1, -1, -1], [4, 1, 4, -1]])
spoken_frames, spoken_counts = torch.tensor([7, 4, 3, 6]), torch.tensor([4, 1, 0, 3])
for r in REDUCTIONS:
    case("ctc", lambda *ins: ctc(*ins, reduction=r), [speech, spoken, spoken_frames, spoken_counts], {"reduction": r}, 1)
    # Too few frames for the first row's labels.
    few = torch.tensor([4, 4, 0, 3])
    case("ctc", lambda *ins: ctc(*ins, reduction=r, zero_infinity=True), [speech, spoken, few, spoken_counts], {"reduction": r, "zeroInfinity": True}, 1)
    case("ctc", lambda *ins: ctc(*ins, reduction=r, blank=4), [speech, torch.tensor([[0, 0, 3], [2, 1, 0], [1, -1, -1], [-1, -1, -1]]), torch.tensor([7, 7, 7, 7]), torch.tensor([3, 3, 1, 0])], {"reduction": r, "blank": 4}, 1)
sequences = [speech, spoken, spoken_frames, spoken_counts]
of_sequences = torch.tensor([1.0, 0, 0.5, 2])
weighed("ctc", lambda x, *rest: ctc(x, *rest, reduction="none"), sequences, {}, of_sequences, 1, (0, 1, 2, 3), per=spoken_counts.clamp(min=1))
print(json.dumps({"torch": torch.__version__, "cases": CASES}))
