"""skorch: a classifier and a regressor through scikit-learn's interface: fit, predict, score, callbacks, grid search."""

import io
import pickle

import numpy as np
import torch
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import (
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn
from trial import Trial


class Net(nn.Module):
    def __init__(self, width=20, classes=2):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(10, width), nn.ReLU(), nn.Linear(width, classes), nn.Softmax(dim=-1)
        )

    def forward(self, x):
        return self.layers(x)


trial = Trial()
x, y = make_classification(200, 10, n_informative=6, random_state=0)
x, y = x.astype(np.float32), y.astype(np.int64)


class Start(Net):
    """A Net that begins with the first side's weights."""

    def __init__(self, **options):
        super().__init__(**options)
        trial.weights(f"net{options.get('width', 20)}", self)


net = NeuralNetClassifier(
    Start,
    max_epochs=6,
    lr=0.1,
    batch_size=32,
    optimizer=torch.optim.SGD,
    optimizer__momentum=0.9,
    iterator_train__shuffle=False,
    verbose=0,
    callbacks=[
        ("scheduler", LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2)),
        ("clip", GradientNormClipping(1.0)),
        ("f1", EpochScoring("f1", lower_is_better=False)),
        ("stop", EarlyStopping(patience=20)),
    ],
)
net.fit(x, y)
trial.result("train losses", [float(v) for v in net.history[:, "train_loss"]])
trial.result("valid losses", [float(v) for v in net.history[:, "valid_loss"]])
trial.result("probabilities", torch.from_numpy(net.predict_proba(x)))
trial.result("score", float(net.score(x, y)))
trial.result("state", net.module_.state_dict())

buffer = io.BytesIO()
net.save_params(f_params=buffer)
buffer.seek(0)
fresh = NeuralNetClassifier(Start).initialize()
fresh.load_params(f_params=buffer)
trial.result("read back", bool(np.array_equal(fresh.predict(x), net.predict(x))))
again = pickle.loads(pickle.dumps(net))
trial.result("pickled", bool(np.array_equal(again.predict_proba(x), net.predict_proba(x))))
net.partial_fit(x, y)
trial.result("went on", torch.from_numpy(net.predict_proba(x)))

search = GridSearchCV(
    Pipeline(
        [
            ("scale", StandardScaler()),
            (
                "net",
                NeuralNetClassifier(
                    Start, max_epochs=3, verbose=0, train_split=None, iterator_train__shuffle=False
                ),
            ),
        ]
    ),
    {"net__lr": [0.01, 0.1], "net__module__width": [10, 20]},
    cv=2,
    scoring="accuracy",
    refit=False,
)
search.fit(x, y)
trial.result("search", [float(v) for v in search.cv_results_["mean_test_score"]])

xr, yr = make_regression(100, 10, random_state=0)
xr, yr = xr.astype(np.float32), (yr / 100).astype(np.float32)[:, None]


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(10, 1)
        trial.weights("line", self)

    def forward(self, x):
        return self.line(x)


regressor = NeuralNetRegressor(
    Line, max_epochs=5, lr=0.05, verbose=0, optimizer=torch.optim.Adam, iterator_train__shuffle=False,
    train_split=predefined_split(Dataset(xr[80:], yr[80:])),
)  # fmt: skip
regressor.fit(xr[:80], yr[:80])
trial.result("regression", torch.from_numpy(regressor.predict(xr)))
trial.write()
