"""The bench's own parts: descriptions that are refused where they are wrong, the page, the thermal log."""

from pathlib import Path

import pytest
import yaml

from capture.configuration import CaptureConfiguration
from capture.sources.v4l2_configuration import V4l2Configuration
from hil.bench.__main__ import main
from hil.bench.bench_description import BenchDescription, load_bench
from hil.bench.bench_report import format_outcome_counts, parse_junit_results, write_report_page
from hil.bench.station_under_test import build_run_arguments
from hil.bench.thermal_log import ThermalLog, read_sensors
from inference.configuration import InferenceConfiguration
from sightline.configuration import load_configuration
from sightline.errors import ConfigurationError
from sightline.messaging.topics import INFERENCE
from tests.unit.capture.capture_kit import wait_until

HIL = Path(__file__).resolve().parents[3] / "hil"
JUNIT = """<testsuites><testsuite>
<testcase classname="hil.bench.test_cameras" name="test_each_camera_is_there" time="1.25"/>
<testcase classname="hil.bench.test_cameras" name="test_b" time="0.1"><skipped message="no relay"/></testcase>
<testcase classname="hil.bench.test_cameras" name="test_c" time="2">
<failure message="1 &lt; 2">trace</failure></testcase></testsuite></testsuites>"""


@pytest.mark.parametrize("file", [HIL / "bench.yaml", HIL / "rig" / "bench.yaml"])
def test_the_benches_of_the_repository_are_good_for_capture(file: Path) -> None:
    bench = load_bench(file)
    capture = load_configuration(CaptureConfiguration, bench.build_capture_merge())
    assert capture.cameras == tuple(bench.cameras) == ("cam1", "cam2", "cam3", "cam4")
    assert isinstance(capture.source, V4l2Configuration)
    assert capture.deadline_ms == 1000 * bench.expected.time_to_gate_s


@pytest.mark.parametrize("library", ["tensorrt", "tensorrt-rtx"])
def test_a_gpu_serves_the_models_by_tensorrt_whatever_library_brings_it(
    library: str, tmp_path: Path
) -> None:
    gpu = {"name": "Orin", "runtime": library}
    values = {"name": "b", "cameras": {"cam1": {"node": "/dev/video0"}}, "gpu": gpu}
    bench = load_configuration(BenchDescription, values)
    merge = dict(build_run_arguments(bench, tmp_path).merges[INFERENCE])
    inference = load_configuration(InferenceConfiguration, merge)
    assert [(m.name, m.runtime) for m in inference.models] == [
        ("surface", "tensorrt"),
        ("cap", "tensorrt"),
    ]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"cameras": {"cam1": {}}}, "exactly one of node and serial"),
        ({"expected": {"parts": 0}}, "/expected/parts"),
        ({"plc": {"protocol": "profinet", "endpoint": "x"}}, "/plc/protocol"),
        ({"gpu": {"name": "Orin", "runtime": "cuda"}}, "/gpu/runtime"),
        ({"relays": {}}, "relays"),
    ],
)
def test_a_wrong_description_is_refused_with_its_place(
    changes: dict[str, object], word: str, tmp_path: Path
) -> None:
    values = {"name": "b", "cameras": {"cam1": {"node": "/dev/video0"}}, **changes}
    file = tmp_path / "bench.yaml"
    file.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigurationError, match=word) as refused:
        load_bench(file)
    assert str(file) in str(refused.value)
    assert main(["--bench", str(file)]) == 2


def test_a_camera_whose_serial_no_node_has_is_named() -> None:
    bench = load_configuration(
        BenchDescription, {"name": "b", "cameras": {"cam1": {"serial": "no-such-1"}}}
    )
    with pytest.raises(ConfigurationError, match=r"cam1: 0 nodes .* 'no-such-1'"):
        bench.find_node("cam1")


def test_a_soak_feeds_parts_for_as_long_as_it_lasts() -> None:
    values = {"name": "b", "cameras": {}, "expected": {"soakS": 600, "partsPerSecond": 2}}
    assert load_configuration(BenchDescription, values).expected.fed_parts == 1200


def test_a_bench_on_a_busy_machine_gets_time_in_proportion_and_no_more_than_capture_can_give() -> (
    None
):
    expected = load_bench(HIL / "rig" / "bench.yaml").expected
    slow = expected.stretch_times(2 * (expected.stretch_above_s or 0))
    assert slow.time_to_gate_s == 2 * expected.time_to_gate_s
    assert slow.parts_per_second == expected.parts_per_second / 2
    assert expected.stretch_times(0.1).time_to_gate_s == expected.time_to_gate_s
    assert expected.stretch_times(1000.0).time_to_gate_s == 60.0


def test_the_page_has_each_test_with_its_result_and_its_reason(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    results = parse_junit_results(tmp_path / "junit.xml")
    assert [one.outcome for one in results] == ["passed", "skipped", "failed"]
    assert format_outcome_counts(results) == "1 passed, 1 failed, 1 skipped"
    page = write_report_page(results, "b", 3.0, tmp_path / "out" / "index.html").read_text()
    for word in ("each camera is there", "no relay", "1 &lt; 2", "trace", "1.2 s"):
        assert word in page


def test_temperatures_clocks_and_power_are_read_as_a_jetson_has_them(tmp_path: Path) -> None:
    for name, text in {
        "class/thermal/thermal_zone0/type": "cpu-thermal",
        "class/thermal/thermal_zone0/temp": "51500",
        "class/thermal/thermal_zone1/type": "off",
        "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2201600",
        "class/devfreq/17000000.gpu/cur_freq": "1300500000",
        "class/hwmon/hwmon1/in1_label": "VDD_GPU_SOC",
        "class/hwmon/hwmon1/in1_input": "19000",
        "class/hwmon/hwmon1/curr1_input": "500",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    assert read_sensors(tmp_path) == {
        "cpu-thermal_celsius": 51.5,
        "cpu0_mhz": 2201.6,
        "17000000.gpu_mhz": 1300.5,
        "VDD_GPU_SOC_watts": 9.5,
    }
    log = ThermalLog(tmp_path / "thermal.csv", tmp_path)
    log.start()
    wait_until("a reading", lambda: len(log.rows) > 0)
    log.stop()
    assert log.max_reading("celsius") == 51.5
    assert (tmp_path / "thermal.csv").read_text().splitlines()[1].startswith("0,")


def test_a_machine_that_tells_nothing_has_no_readings(tmp_path: Path) -> None:
    assert read_sensors(tmp_path) == {}
