"""What we use of odc-loader is what it offers to the public: another version that offers less is named here."""

import inspect
from importlib.metadata import version

import odc.loader
from odc.loader.types import RasterReader, is_reader_driver

from citygrain.imagery.exact_driver import ExactDriver, ExactReader

ADVICE = f"odc-loader {version('odc-loader')} has another interface: mend imagery/exact_driver.py, and its range"


def test_the_driver_is_one_for_odc_loader():
    public = set(odc.loader.__all__)
    assert {"RioDriver", "RasterSource", "RasterLoadParams", "ReaderDriver"} <= public, ADVICE
    assert is_reader_driver(ExactDriver()) and is_reader_driver(ExactDriver(None)), ADVICE


def test_files_are_opened_and_read_as_odc_loader_asks():
    def asked(method):
        return [(one.name, one.kind) for one in inspect.signature(method).parameters.values()]

    assert asked(ExactDriver.open) == asked(odc.loader.ReaderDriver.open), ADVICE
    assert asked(ExactReader.read) == asked(RasterReader.read), ADVICE
