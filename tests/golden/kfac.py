"""Kronecker factors and one preconditioned step of K-FAC, from PyTorch in double precision.

The factors come from autograd: inputs and gradients by pre-activations of each sample and each
outcome, one backward pass at a time; the inverses are torch.linalg.inv's. Run:
python tests/golden/kfac.py > tests/golden/kfac.json
"""

import json
import math

import torch

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(7)
N, INPUTS, HIDDEN, CLASSES = 5, 3, 4, 3
DAMPING, RATE, DECAY = 0.03, 0.5, 0.95


def draw(*shape):
    return torch.rand(*shape, generator=generator) * 2 - 1


parameters = {
    "w1": draw(INPUTS, HIDDEN),
    "b1": draw(HIDDEN),
    "w2": draw(HIDDEN, CLASSES),
    "b2": draw(CLASSES),
}
batches = [draw(N, INPUTS), draw(N, INPUTS)]
classes = torch.tensor([0, 2, 1, 1, 0])


def forward(p, x):
    s1 = x @ p["w1"] + p["b1"]
    h = torch.tanh(s1)
    s2 = h @ p["w2"] + p["b2"]
    return s1, h, s2


def factors(p, x):
    """E[a aT] and E[d dT] over samples and the model's own outcomes."""
    one = torch.ones(1)
    sums = [0, 0, 0, 0]
    for row in x:
        row = row.unsqueeze(0)
        p = {name: value.clone().requires_grad_(True) for name, value in p.items()}
        s1, h, s2 = forward(p, row)
        log_p = torch.log_softmax(s2, 1)[0]
        for outcome in range(CLASSES):
            d1, d2 = torch.autograd.grad(-log_p[outcome], [s1, s2], retain_graph=True)
            weight = log_p[outcome].exp().item() / len(x)
            a1 = torch.cat([row[0], one])
            a2 = torch.cat([h[0].detach(), one])
            for i, v in enumerate([a1, d1[0], a2, d2[0]]):
                sums[i] = sums[i] + weight * torch.outer(v, v)
    return sums


averaged = None
for count, x in enumerate(batches, 1):
    new = factors(parameters, x)
    kept = min(1 - 1 / count, DECAY)
    averaged = new if averaged is None else [kept * a + (1 - kept) * b for a, b in zip(averaged, new)]

p = {name: value.clone().requires_grad_(True) for name, value in parameters.items()}
loss = torch.nn.functional.cross_entropy(forward(p, batches[1])[2], classes)
loss.backward()

moved = {}
for weight, bias, a, g in [("w1", "b1", *averaged[:2]), ("w2", "b2", *averaged[2:])]:
    pi = math.sqrt((a.trace().item() / len(a)) / (g.trace().item() / len(g)))
    root = math.sqrt(DAMPING)
    a_inverse = torch.linalg.inv(a + pi * root * torch.eye(len(a)))
    g_inverse = torch.linalg.inv(g + root / pi * torch.eye(len(g)))
    gradient = torch.cat([p[weight].grad, p[bias].grad.unsqueeze(0)])
    direction = a_inverse @ gradient @ g_inverse
    moved[weight] = parameters[weight] - RATE * direction[:-1]
    moved[bias] = parameters[bias] - RATE * direction[-1]

print(json.dumps({
    "torch": torch.__version__,
    "damping": DAMPING,
    "learning_rate": RATE,
    "decay": DECAY,
    "parameters": {name: value.flatten().tolist() for name, value in parameters.items()},
    "batches": [x.flatten().tolist() for x in batches],
    "classes": classes.tolist(),
    "factors": [factor.flatten().tolist() for factor in averaged],
    "gradient": {name: value.grad.flatten().tolist() for name, value in p.items()},
    "moved": {name: value.flatten().tolist() for name, value in moved.items()},
}, indent=1))
