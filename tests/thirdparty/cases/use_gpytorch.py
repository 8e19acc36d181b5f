"""gpytorch: exact regression with an RBF kernel, its marginal likelihood, predictions and samples' shapes."""

import gpytorch
import torch
from trial import Trial

trial = Trial()
x = torch.linspace(0, 1, 30)
y = torch.sin(6 * x) + 0.05 * trial.randn("noise", 30)


class Model(gpytorch.models.ExactGP):
    def __init__(self, x, y, likelihood):
        super().__init__(x, y, likelihood)
        self.mean = gpytorch.means.ConstantMean()
        self.kernel = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel())

    def forward(self, x):
        return gpytorch.distributions.MultivariateNormal(self.mean(x), self.kernel(x))


likelihood = gpytorch.likelihoods.GaussianLikelihood()
model = Model(x, y, likelihood)
model.train()
likelihood.train()
objective = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
losses = []
for _ in range(15):
    optimizer.zero_grad()
    loss = -objective(model(x), y)
    loss.backward()
    losses.append(float(loss))
    optimizer.step()
trial.result("losses", losses)
trial.result("state", model.state_dict())
model.eval()
likelihood.eval()
with torch.no_grad(), gpytorch.settings.fast_pred_var(False):
    prediction = likelihood(model(torch.linspace(-0.1, 1.1, 11)))
trial.result("mean", prediction.mean)
trial.result("variance", prediction.variance)
matern = gpytorch.kernels.MaternKernel(nu=2.5) + gpytorch.kernels.PeriodicKernel()
trial.result("matern", matern(x[:5], x[:5]).to_dense())
trial.write()
