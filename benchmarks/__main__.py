"""Run every benchmark and write the figures to ``benchmarks/results.json``."""

import json
from pathlib import Path

from benchmarks import board_cost, grid_map, prediction, sampling, slic, so2sat_reading, whole_run

if __name__ == "__main__":
    results = {
        "slic": slic.main(),
        "sampling": sampling.main(),
        "so2sat_reading": so2sat_reading.main(),
        "whole_run": whole_run.main(),
        "prediction": prediction.main(),
        "grid_map": grid_map.main(),
        "board_cost": board_cost.main(),
    }
    Path("benchmarks/results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
