"""torch.optim, in its three implementations."""

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from work import *

IMPLEMENTATIONS = {
    "for-loop": {"foreach": False, "fused": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}


class Model(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)


class TorchStepper:
    def __init__(self, variant, rule, precision, n, threads):
        torch.set_num_threads(threads)
        g = torch.from_numpy(gradient(n, precision))
        self.model = Model(torch.ones(n, dtype=g.dtype))
        self.model.weight.grad = g
        weights = [self.model.weight]
        how = IMPLEMENTATIONS[variant]
        adam = {"lr": LEARNING_RATE, "betas": (BETA1, BETA2), "eps": EPSILON, **how}
        self.around = rule == "clip-adamw-ema"
        if rule == "adam":
            self.optimizer = torch.optim.Adam(weights, **adam)
        elif rule == "momentum":
            self.optimizer = torch.optim.SGD(weights, LEARNING_RATE, MOMENTUM, **how)
        elif rule == "adadelta":
            how = {"foreach": how.get("foreach", False)}
            self.optimizer = torch.optim.Adadelta(
                weights, lr=1.0, rho=RHO, eps=ADADELTA_EPSILON, **how
            )
        elif self.around:
            self.optimizer = torch.optim.AdamW(weights, weight_decay=WEIGHT_DECAY, **adam)
            average = get_ema_multi_avg_fn(EMA_DECAY)
            self.average = AveragedModel(self.model, multi_avg_fn=average)
            self.foreach = how.get("foreach", True)
        else:
            raise ValueError(rule)

    def step(self):
        if self.around:
            # In place: from the second step on the norm is 1, and the work the same.
            torch.nn.utils.clip_grad_norm_(self.model.weight, CLIP_NORM, foreach=self.foreach)
            self.optimizer.step()
            self.average.update_parameters(self.model)
        else:
            self.optimizer.step()

    def finish(self):
        pass

    def sample(self):
        sample = self.model.weight[:SAMPLE].tolist()
        if self.around:
            sample += self.average.module.weight[:SAMPLE].tolist()
        return sample
