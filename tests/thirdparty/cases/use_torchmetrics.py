"""torchmetrics: classification, regression, image, text, retrieval and aggregation, collections, a differentiable loss."""

import torch
import torchmetrics
from torch import nn
from torchmetrics import MetricCollection
from torchmetrics import functional as F
from trial import Trial

trial = Trial()
scores = trial.randn("scores", 64, 5).softmax(-1)
labels = trial.given("labels", lambda: torch.randint(0, 5, (64,)))
probabilities = trial.rand("probabilities", 64)
truth = trial.given("truth", lambda: torch.randint(0, 2, (64,)))
many = trial.given("many", lambda: torch.randint(0, 2, (64, 5)))

kinds = {"task": "multiclass", "num_classes": 5}
collection = MetricCollection(
    {
        "accuracy": torchmetrics.Accuracy(**kinds, average="micro"),
        "macro": torchmetrics.Accuracy(**kinds, average="macro"),
        "top2": torchmetrics.Accuracy(**kinds, top_k=2),
        "precision": torchmetrics.Precision(**kinds, average="macro"),
        "recall": torchmetrics.Recall(**kinds, average="none"),
        "f1": torchmetrics.F1Score(**kinds, average="weighted"),
        "specificity": torchmetrics.Specificity(**kinds),
        "confusion": torchmetrics.ConfusionMatrix(**kinds),
        "auroc": torchmetrics.AUROC(**kinds),
        "ap": torchmetrics.AveragePrecision(**kinds),
        "kappa": torchmetrics.CohenKappa(**kinds),
        "mcc": torchmetrics.MatthewsCorrCoef(**kinds),
        "jaccard": torchmetrics.JaccardIndex(**kinds),
        "calibration": torchmetrics.CalibrationError(**kinds),
        "hamming": torchmetrics.HammingDistance(**kinds),
    }
)
for part in range(0, 64, 16):
    collection(scores[part : part + 16], labels[part : part + 16])
trial.result("collection", collection.compute())
collection.reset()
collection.update(scores[:32], labels[:32])
trial.result("after reset", collection.compute())
trial.result("prefixed", sorted(collection.clone(prefix="val_").compute()))

binary = {
    "roc": torchmetrics.ROC(task="binary"),
    "curve": torchmetrics.PrecisionRecallCurve(task="binary", thresholds=11),
    "auroc": torchmetrics.AUROC(task="binary"),
    "stats": torchmetrics.StatScores(task="binary"),
    "hinge": torchmetrics.HingeLoss(task="binary"),
}
trial.result("binary", {name: metric(probabilities, truth) for name, metric in binary.items()})
trial.result("multilabel", torchmetrics.F1Score(task="multilabel", num_labels=5)(scores, many))
trial.result(
    "ranking", F.classification.multilabel_ranking_average_precision(scores, many, num_labels=5)
)

a, b = trial.randn("a", 50, 3), trial.randn("b", 50, 3)
regression = {
    "mse": torchmetrics.MeanSquaredError(),
    "rmse": torchmetrics.MeanSquaredError(squared=False),
    "mae": torchmetrics.MeanAbsoluteError(),
    "mape": torchmetrics.MeanAbsolutePercentageError(),
    "smape": torchmetrics.SymmetricMeanAbsolutePercentageError(),
    "r2": torchmetrics.R2Score(),
    "pearson": torchmetrics.PearsonCorrCoef(num_outputs=3),
    "spearman": torchmetrics.SpearmanCorrCoef(num_outputs=3),
    "concordance": torchmetrics.ConcordanceCorrCoef(num_outputs=3),
    "kendall": torchmetrics.KendallRankCorrCoef(num_outputs=3),
    "explained": torchmetrics.ExplainedVariance(),
    "cosine": torchmetrics.CosineSimilarity(),
    "kl": torchmetrics.KLDivergence(),
    "logcosh": torchmetrics.LogCoshError(num_outputs=3),
    "msle": torchmetrics.MeanSquaredLogError(),
    "tweedie": torchmetrics.TweedieDevianceScore(power=0),
}
trial.result(
    "regression",
    {
        name: metric(a.abs(), b.abs())
        if name in ("msle",)
        else metric(a.softmax(-1), b.softmax(-1))
        if name == "kl"
        else metric(a, b)
        for name, metric in regression.items()
    },
)

left, right = trial.rand("left", 2, 3, 48, 48), trial.rand("right", 2, 3, 48, 48)
trial.result("psnr", torchmetrics.image.PeakSignalNoiseRatio(data_range=1.0)(left, right))
trial.result(
    "ssim", torchmetrics.image.StructuralSimilarityIndexMeasure(data_range=1.0)(left, right)
)
trial.result("uqi", torchmetrics.image.UniversalImageQualityIndex()(left, right))
trial.result("tv", torchmetrics.image.TotalVariation()(left))
trial.result("snr", torchmetrics.audio.SignalNoiseRatio()(a, b))
trial.result("si_sdr", torchmetrics.audio.ScaleInvariantSignalDistortionRatio()(a, b))
trial.result(
    "bleu",
    torchmetrics.text.BLEUScore()(
        ["the cat is on the mat"], [["there is a cat on the mat", "a cat is on the mat"]]
    ),
)
trial.result(
    "wer", torchmetrics.text.WordErrorRate()(["this is the prediction"], ["this is the reference"])
)
trial.result("perplexity", torchmetrics.text.Perplexity()(scores.log()[None], labels[None]))
queries = trial.given("queries", lambda: torch.randint(0, 6, (64,)))
trial.result("map", torchmetrics.retrieval.RetrievalMAP()(probabilities, truth, indexes=queries))
trial.result(
    "ndcg", torchmetrics.retrieval.RetrievalNormalizedDCG()(probabilities, truth, indexes=queries)
)
mean = torchmetrics.MeanMetric()
mean.update(3.0)
mean.update(torch.tensor([1.0, 2.0]))
trial.result("mean", mean.compute())
trial.result("pairwise", [F.pairwise_cosine_similarity(a, b), F.pairwise_euclidean_distance(a)])
wrapped = torchmetrics.MinMaxMetric(torchmetrics.MeanSquaredError())
wrapped(a, b)
trial.result("minmax", wrapped.compute())
trial.result("state", torchmetrics.MeanSquaredError().state_dict())

model = trial.weights("model", nn.Linear(3, 3))
trial.step("by a metric", model, F.mean_squared_error(model(a), b) + (1 - F.r2_score(model(a), b)))
trial.write()
