"""pyro: a linear regression by stochastic variational inference with a Delta guide, an ELBO, enumeration-free."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Predictive, Trace_ELBO
from pyro.infer.autoguide import AutoDelta
from trial import Trial

trial = Trial()
x = trial.randn("x", 40, 2)
y = x @ torch.tensor([1.5, -0.7]) + 0.3 + 0.1 * trial.randn("noise", 40)


def model(x, y=None):
    w = pyro.sample("w", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    b = pyro.sample("b", dist.Normal(0.0, 1.0))
    s = pyro.sample("s", dist.LogNormal(0.0, 1.0))
    with pyro.plate("data", x.shape[0]):
        return pyro.sample("y", dist.Normal(x @ w + b, s), obs=y)


pyro.clear_param_store()
start = {"w": torch.zeros(2), "b": torch.tensor(0.0), "s": torch.tensor(1.0)}
guide = AutoDelta(model, init_loc_fn=lambda site: start[site["name"]])
svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.05}), Trace_ELBO())
trial.result("losses", [float(svi.step(x, y)) for _ in range(20)])
trial.result("parameters", {k: v.detach() for k, v in pyro.get_param_store().items()})
trace = pyro.poutine.trace(pyro.poutine.condition(model, data=start)).get_trace(x, y)
trial.result("log joint", trace.log_prob_sum())
predicted = Predictive(model, guide=guide, num_samples=4)(x)
trial.result("shapes", {k: list(v.shape) for k, v in predicted.items()})
mixture = dist.MixtureSameFamily(
    dist.Categorical(torch.ones(3)), dist.Normal(torch.arange(3.0), 1.0)
)
trial.result("mixture", mixture.log_prob(x))
trial.write()
