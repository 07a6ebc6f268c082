"""The curvature of a small fixed network, by PyTorch, SciPy and PyHessian in float64.

    pip install -r requirements.txt scipy==1.17.1 && pip install --no-deps pyhessian==0.1
    python curvature.py

Writes curvature.json: the network (4 inputs, 6 tanh units, 3 classes; mean cross-entropy of 20
samples) with its data, and
- torch: loss, gradient, Hessian, its eigenvalues (torch.linalg.eigvalsh), generalized Gauss-Newton
  and empirical Fisher matrix's eigenvalues;
- scipy: three eigenvalues of each end (scipy.sparse.linalg.eigsh);
- pyhessian: the eigenvalue of largest magnitude by power iteration, the trace by Hutchinson with its
  standard error, and the density at places, by stochastic Lanczos quadrature, with its standard
  error.
Parameters are laid out as w1 (inputs x units), b1, w2 (units x classes), b2, row-major.
"""

import json
from pathlib import Path

import numpy as np
import scipy.sparse.linalg
import torch
from torch.func import functional_call

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def eig(matrix, eigenvectors):
    """torch.eig, which PyHessian 0.1 calls and torch no longer has, for symmetric matrices."""
    values, vectors = torch.linalg.eigh(matrix)
    return torch.stack([values, torch.zeros_like(values)], dim=1), vectors


torch.eig = eig
import pyhessian  # noqa: E402

rng = np.random.default_rng(7)
INPUTS, UNITS, CLASSES, SAMPLES = 4, 6, 3, 20
shapes = [(INPUTS, UNITS), (UNITS,), (UNITS, CLASSES), (CLASSES,)]
sizes = [int(np.prod(shape)) for shape in shapes]
flat = torch.tensor(rng.normal(size=sum(sizes)) * 0.7)
x = torch.tensor(rng.normal(size=(SAMPLES, INPUTS)))
y = torch.tensor(rng.integers(0, CLASSES, size=SAMPLES))


def scores(w, x):
    w1, b1, w2, b2 = (part.reshape(s) for part, s in zip(torch.split(w, sizes), shapes))
    return torch.tanh(x @ w1 + b1) @ w2 + b2


def loss(w):
    return torch.nn.functional.cross_entropy(scores(w, x), y)


gradient = torch.func.grad(loss)(flat)
hessian = torch.func.hessian(loss)(flat)
hessian = (hessian + hessian.T) / 2
eigenvalues = torch.linalg.eigvalsh(hessian)

jacobian = torch.func.jacrev(lambda w: scores(w, x))(flat)
p = torch.softmax(scores(flat, x), dim=1)
ggn = sum(
    jacobian[i].T @ (torch.diag(p[i]) - torch.outer(p[i], p[i])) @ jacobian[i] / SAMPLES
    for i in range(SAMPLES)
)
one = torch.eye(CLASSES)[y]
samples = torch.stack([jacobian[i].T @ (p[i] - one[i]) for i in range(SAMPLES)])
fisher = samples.T @ samples / SAMPLES


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.flat = torch.nn.Parameter(flat.clone())

    def forward(self, x):
        return scores(self.flat, x)


model = Network()
assert torch.allclose(functional_call(model, {"flat": flat}, (x,)), scores(flat, x))
found = pyhessian.hessian(model, torch.nn.functional.cross_entropy, data=(x, y), cuda=False)
top = found.eigenvalues(maxIter=5000, tol=1e-14, top_n=1)[0][0]
traces = np.array(found.trace(maxIter=4000, tol=0))
PROBES, STEPS, WIDTH = 400, 25, 0.05
nodes, weights = found.density(iter=STEPS, n_v=PROBES)
places = np.linspace(-0.3, 1.0, 14)
kernel = np.exp(-0.5 * ((places[:, None, None] - np.array(nodes)) / WIDTH) ** 2)
density = (kernel * np.array(weights)).sum(axis=2) / (np.sqrt(2 * np.pi) * WIDTH)

low = scipy.sparse.linalg.eigsh(hessian.numpy(), k=3, which="SA", return_eigenvectors=False, tol=0)
high = scipy.sparse.linalg.eigsh(hessian.numpy(), k=3, which="LA", return_eigenvectors=False, tol=0)

golden = {
    "versions": {"torch": torch.__version__, "scipy": scipy.__version__, "pyhessian": "0.1"},
    "inputs": INPUTS,
    "units": UNITS,
    "classes": CLASSES,
    "w": flat.tolist(),
    "x": x.flatten().tolist(),
    "y": y.tolist(),
    "torch": {
        "loss": loss(flat).item(),
        "gradient": gradient.tolist(),
        "hessian": hessian.flatten().tolist(),
        "eigenvalues": eigenvalues.tolist(),
        "trace": torch.trace(hessian).item(),
        "ggn_eigenvalues": torch.linalg.eigvalsh(ggn).tolist(),
        "fisher_eigenvalues": torch.linalg.eigvalsh(fisher).tolist(),
    },
    "scipy": {"lowest": sorted(low.tolist()), "highest": sorted(high.tolist(), reverse=True)},
    "pyhessian": {
        "top": top,
        "trace": traces.mean(),
        "trace_error": traces.std(ddof=1) / np.sqrt(len(traces)),
        "places": places.tolist(),
        "width": WIDTH,
        "density": density.mean(axis=1).tolist(),
        "density_error": (density.std(axis=1, ddof=1) / np.sqrt(PROBES)).tolist(),
    },
}
path = Path(__file__).with_name("curvature.json")
path.write_text(json.dumps(golden, indent=1) + "\n")
