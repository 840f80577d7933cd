"""What a plan promises to read is about what is read."""

from dataclasses import replace

import pytest
import rasterio

from citygrain.errors import InputError
from citygrain.imagery import patience
from citygrain.imagery.area import area_from_bbox, grid_for
from citygrain.imagery.catalogues import catalogue_named
from citygrain.imagery.image_set import ImageSet
from citygrain.imagery.mirror import copy_area
from citygrain.imagery.plan import make_plan
from citygrain.imagery.query import Query
from citygrain.imagery.searching import resolve_collection, search
from citygrain.imagery.transport import Transport, reading
from helpers import faults


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(patience.time, "sleep", lambda _: None)


def source_of(world, address, bands=("B04", "B11")):
    transport, catalogue = Transport(retries=0, timeout=10), catalogue_named(address)
    collection = resolve_collection(catalogue, "sentinel-2", transport)
    found = search(catalogue, collection, Query(area_from_bbox(world.bbox)), transport)
    return ImageSet("sentinel-2", catalogue, collection, tuple(found), bands)


def test_the_promise_is_kept(served, stac_server):
    world, site = served("plain")
    source = source_of(world, site.api)
    plan = make_plan(grid_for(area_from_bbox(world.bbox)), [source])
    assert [row["id"] for row in plan.items] == [one.id for one in source.observations]
    assert plan.rate and plan.seconds == pytest.approx(plan.bytes / plan.rate)
    assert plan.requests >= 6
    anew = stac_server.serve(world.folder)
    source = source_of(world, anew.api)
    with reading():
        for observation, band in source.files():
            with rasterio.open(source.href(observation, band)) as file:
                file.read(1)
    assert 0.4 * plan.bytes < anew.bytes("*.tif") < 2.0 * plan.bytes  # headers weigh as much as blocks so small


def test_a_part_of_the_area_costs_less_and_elsewhere_nothing(served):
    world, site = served("small")
    west, south, east, north = world.bbox
    source = source_of(world, site.api)
    whole = make_plan(grid_for(area_from_bbox(world.bbox)), [source])
    corner = area_from_bbox([west + 0.001, north - (north - south) / 5, west + (east - west) / 5, north - 0.001])
    assert 0 < make_plan(grid_for(corner), [source]).bytes < whole.bytes / 2
    away = area_from_bbox([west + 1, south, east + 1, north])
    assert make_plan(grid_for(away), [source]).bytes == 0


def test_workers_change_neither_the_plan_nor_what_is_asked(served, stac_server):
    world, _ = served("small")
    plans, asked = [], []
    for workers in (1, 4):
        site = stac_server.serve(world.folder)
        source = source_of(world, site.api, ("B04", "B11", "SCL"))
        plan = make_plan(grid_for(area_from_bbox(world.bbox)), [source], workers=workers)
        plans.append(replace(plan, rate=None))
        asked.append(sorted((one.method, one.path, one.range) for one in site.log("*.tif")))
        assert plan.rate
    assert plans[0] == plans[1] and asked[0] == asked[1]


def test_a_file_that_is_away_is_named(served):
    world, site = served("plain")
    site.faults(faults.missing("*B11.tif"))
    with pytest.raises(InputError, match=r"a file of .* cannot be read"):
        make_plan(grid_for(area_from_bbox(world.bbox)), [source_of(world, site.api)])


@pytest.mark.parametrize("around", [0.0, 1500.0])
def test_the_copies_take_the_disk_that_was_foretold(served, tmp_path, around):
    world, site = served("small")
    west, south, east, north = world.bbox
    source = source_of(world, site.api, ("B04", "B11", "SCL"))
    grid = grid_for(area_from_bbox([west, (south + north) / 2, (west + east) / 2, north]))
    plan = make_plan(grid, [source], around_m=around)
    copy_area(source, grid, tmp_path, around_m=around)
    copies = [path.stat().st_size for path in tmp_path.iterdir()]
    assert plan.disk <= sum(copies) <= plan.disk + 4096 * len(copies)


def test_what_masks_look_at_around_the_area_is_counted(served):
    world, site = served("small")
    west, south, east, north = world.bbox
    source = source_of(world, site.api, ("B04", "SCL"))
    dx, dy = (east - west) / 2.5, (north - south) / 2.5
    grid = grid_for(area_from_bbox([west + dx, south + dy, east - dx, north - dy]))
    near, far = (make_plan(grid, [source], around_m=metres) for metres in (0.0, 1500.0))
    assert far.bytes > near.bytes
