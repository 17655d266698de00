import json

import pytest

from genphoto.metrics.measurement import Measurement, Reading


def measurement(requested, measured, **more):
    return Measurement.of("zoom", "x", requested, [Reading(m, 0.0, None if m else "?") for m in measured], **more)


def test_a_perfect_response():
    m = measurement([1, 2, 3], [1, 2, 3])
    assert (m.slope, m.linearity, m.rank_correlation) == pytest.approx((1, 1, 1))
    assert m.median_absolute_error == 0
    assert m.complete


def test_errors_are_in_units_or_percent_without_the_reference():
    m = measurement([1, 2, 4], [1, 2.2, 4.2])
    assert m.errors == pytest.approx((0, 0.2, 0.2))
    assert m.median_absolute_error == pytest.approx(0.2)
    assert measurement([1, 2, 4], [1, 2.2, 4.2], percent=True).errors == pytest.approx((0, 10, 5))


def test_what_is_not_measured_is_left_out_and_named():
    m = measurement([1, 2, 3, 4], [1, None, 3, 4])
    assert m.errors[1] is None
    assert m.reasons[1] == "?"
    assert m.slope == pytest.approx(1)
    assert not m.complete


def test_statistics_are_undefined_rather_than_wrong():
    assert measurement([1, 1, 1], [1, 2, 3]).slope is None
    assert measurement([1, 2, 3], [1, 1, 1]).linearity is None
    assert measurement([1, 2, 3], [1, 1, 1]).slope == pytest.approx(0)
    assert measurement([1, 2], [1, 2]).rank_correlation is None
    assert measurement([1, 2, 3], [1, None, None]).median_absolute_error is None
    assert measurement([1, 2, 3], [1, 2, 3], scaled=False).slope is None


def test_it_is_json():
    document = json.loads(json.dumps(measurement([1, 2, 3], [1, None, 3]).to_dict()))
    assert document["reference_frame"] == 1
    assert document["measured"] == [1, None, 3]
