"""torchdiffeq: every solver on a small network, the adjoint's gradients, an event, a scipy solver."""

import torch
from torch import nn
from torchdiffeq import odeint, odeint_adjoint, odeint_event
from trial import Trial


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, t, y):
        return self.net(y**3) * (1 + 0.1 * t)


trial = Trial()
start = trial.rand("start", 4, 2)
times = torch.linspace(0, 1, 6)
for method in (
    "dopri5", "dopri8", "bosh3", "fehlberg2", "adaptive_heun", "euler", "midpoint", "heun2", "heun3", "rk4",
    "explicit_adams", "implicit_adams", "scipy_solver",
):  # fmt: skip
    field = trial.weights("field", Field())
    options = {"solver": "RK45"} if method == "scipy_solver" else None
    with torch.set_grad_enabled(method != "scipy_solver"):
        path = odeint(field, start, times, method=method, options=options, rtol=1e-5, atol=1e-6)
    trial.result(f"{method}.path", path)
    if method != "scipy_solver":
        trial.step(method, field, path[-1].square().sum())

field = trial.weights("field", Field())
y = start.clone().requires_grad_()
path = odeint_adjoint(field, y, times, rtol=1e-5, atol=1e-6)
trial.result("adjoint.path", path)
trial.step(
    "adjoint", field, path[-1].square().sum(), torch.optim.RMSprop(field.parameters(), lr=0.01)
)
trial.result("adjoint.start", y.grad)

height = torch.tensor([10.0, 0.0], requires_grad=True)
gravity = torch.tensor(9.8, requires_grad=True)
when, states = odeint_event(
    lambda t, s: torch.stack([s[1], -gravity]),
    height,
    torch.tensor(0.0),
    event_fn=lambda t, s: s[0],
    method="dopri5",
)
when.backward()
trial.result("event", [when, states[-1], height.grad, gravity.grad])
trial.write()
