import numpy as np
import pytest
import xarray as xr

from citygrain.errors import ModelMismatchError
from citygrain.legend import URBAN
from citygrain.maps.predict import predict_map
from citygrain.models.catalogue import make_model
from citygrain.models.classifier import Classifier
from citygrain.samples.draw import draw_samples
from citygrain.tessellation import Pixels, SegmentStatistics, Tessellation, raster_like

Quilt = tuple[xr.DataArray, xr.DataArray]


def taught(features: xr.DataArray, cut: Tessellation) -> Classifier:
    """A forest that has learned bright from dark in the first band."""
    bright = np.nan_to_num(features.values[0]) > 0.5
    reference = raster_like(np.where(bright, 1, 4).astype(np.uint8), features.odc.geobox)
    samples = draw_samples(features, cut, reference, legend=URBAN)
    return make_model("forest", threads=1).fit(samples[np.isfinite(samples.take(np.arange(len(samples)))).all(1)])


def test_the_map_is_scatter_predict_gather(quilt: Quilt) -> None:
    features, labels = quilt
    for cut in (Pixels.of(features), SegmentStatistics(labels, 7)):
        model = taught(features, cut)
        city = predict_map(features, cut, model)
        probabilities = model.predict_proba(cut.gather(features)[:])
        assert np.array_equal(city.codes.values, cut.scatter(URBAN.codes(probabilities.argmax(1))).values)
        no_data = np.isnan(features.values).all(0)
        assert np.array_equal(city.codes.values == 0, no_data)
        assert np.array_equal(np.isnan(city.confidence.values), no_data)


def test_a_scene_with_other_bands_or_units_is_refused(quilt: Quilt) -> None:
    features, labels = quilt
    cut = SegmentStatistics(labels, 7)
    model = taught(features, cut)
    with pytest.raises(ModelMismatchError, match="order"):
        predict_map(features[::-1], cut, model)
    other = features.copy()
    other.attrs["units"] = "digital numbers"
    with pytest.raises(ModelMismatchError, match=r"digital numbers.*reflectance"):
        predict_map(other, cut, model)
