"""Averages of models, and of batch normalisation's statistics."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn
from flambeau.optim import swa_utils


def set_all(model, value):
    with flambeau.no_grad():
        for p in model.parameters():
            p.fill_(value)


def averaged(values, **options):
    model = nn.Linear(2, 1)
    average = swa_utils.AveragedModel(model, **options)
    for value in values:
        set_all(model, value)
        average.update_parameters(model)
    assert average.n_averaged.item() == len(values)
    return next(average.parameters())[0, 0].item()


def test_the_plain_mean():
    assert averaged([1.0, 2.0, 6.0]) == pytest.approx(3.0)
    assert averaged(
        [1.0, 2.0, 6.0], multi_avg_fn=swa_utils.get_swa_multi_avg_fn()
    ) == pytest.approx(3.0)


def test_the_exponential_mean():
    expected = 0.9 * (0.9 * 1.0 + 0.1 * 2.0) + 0.1 * 6.0
    assert averaged([1.0, 2.0, 6.0], avg_fn=swa_utils.get_ema_avg_fn(0.9)) == pytest.approx(
        expected
    )
    made = averaged([1.0, 2.0, 6.0], multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
    assert made == pytest.approx(expected)


def test_arguments():
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        swa_utils.AveragedModel(nn.Linear(1, 1), avg_fn=abs, multi_avg_fn=abs)
    with pytest.raises(ValueError, match="Invalid decay value 2"):
        swa_utils.get_ema_avg_fn(2)


@pytest.mark.parametrize("use_buffers", [False, True])
def test_buffers_are_copied_or_averaged(use_buffers):
    model = nn.BatchNorm1d(1)
    average = swa_utils.AveragedModel(model, use_buffers=use_buffers)
    for value in (1.0, 3.0):
        model.running_mean.fill_(value)
        average.update_parameters(model)
    assert average.module.running_mean.item() == (2.0 if use_buffers else 3.0)


def test_the_average_answers_and_is_saved():
    average = swa_utils.AveragedModel(nn.Linear(2, 1))
    assert average(flambeau.ones(3, 2)).shape == (3, 1)
    assert sorted(average.state_dict()) == ["module.bias", "module.weight", "n_averaged"]


def test_update_bn_takes_statistics_anew():
    model = nn.Sequential(nn.BatchNorm1d(2)).eval()
    data = flambeau.tensor([[1.0, 10.0], [3.0, 30.0], [5.0, 50.0], [7.0, 70.0]])
    model[0].running_mean.fill_(99.0)
    swa_utils.update_bn([(data[:2], 0), (data[2:], 1)], model)
    assert model[0].running_mean.tolist() == [4.0, 40.0]
    assert model[0].momentum == 0.1
    assert not model.training
