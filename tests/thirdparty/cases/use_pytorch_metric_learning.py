"""pytorch-metric-learning: losses, miners, distances and accuracy on embeddings."""

import torch
from pytorch_metric_learning import distances, losses, miners, reducers
from torch import nn
from trial import Trial

trial = Trial()
x, labels = trial.randn("x", 24, 8), trial.given("labels", lambda: torch.arange(24) % 4)
for name, make in {
    "triplet": lambda: losses.TripletMarginLoss(
        margin=0.2, distance=distances.CosineSimilarity(), reducer=reducers.MeanReducer()
    ),
    "contrastive": lambda: losses.ContrastiveLoss(),
    "ntxent": lambda: losses.NTXentLoss(temperature=0.2),
    "circle": lambda: losses.CircleLoss(),
    "multi": lambda: losses.MultiSimilarityLoss(),
    "supcon": lambda: losses.SupConLoss(),
}.items():
    model = trial.weights("model", nn.Linear(8, 6))
    found = miners.MultiSimilarityMiner()(model(x), labels) if name == "multi" else None
    trial.step(name, model, make()(model(x), labels, found))
arc = trial.weights("arc", losses.ArcFaceLoss(num_classes=4, embedding_size=8))
trial.step("arcface", arc, arc(x, labels))
trial.write()
