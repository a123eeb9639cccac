"""The Lambda host, with the real nucleus, the real SDKs and functions that a test writes."""

import json
import time
from pathlib import Path

from tests.unit.nucleus.lambda_kit import (
    ECHO,
    FUNCTION,
    find_processes,
    function_running,
    subscriber,
)
from tests.unit.nucleus.running_nucleus import broker, wait_until


def test_messages_become_events_and_what_the_function_publishes_becomes_messages(
    tmp_path: Path,
) -> None:
    with function_running(tmp_path, maxIdleTimeInSeconds=0) as function:
        function.send({"number": 1}, {"number": 2}, {"number": 3})
        function.wait_for_answer({"number": 3})
        idle_until_s = time.monotonic() + 0.3
        wait_until(lambda: time.monotonic() > idle_until_s)
        function.send({"number": 4})
        function.wait_for_answer({"number": 4})
        answers = [
            line
            for line in function.running.log("com.example.Peer").splitlines()
            if "answer" in line
        ]
        assert answers == [f'answer {{"number": {n}}}' for n in (1, 2, 3, 4)]
        assert 'event {"number": 1} on questions of example' in function.log()
        assert "loaded, greeting hello token None" in function.log()
        assert function.log().count("loaded") == 1  # pinned: one process, however idle


def test_a_subject_without_a_subscription_is_refused_to_the_function_in_words(
    tmp_path: Path,
) -> None:
    with function_running(tmp_path) as function:
        function.send({"to": "elsewhere"}, {"number": 1})
        function.wait_for_answer({"number": 1})
        assert "refused: Failed to invoke function due to no subscription exists" in function.log()
        assert "the subject elsewhere" in function.log()
        assert "answer" not in function.running.log("com.example.Peer").split('answer {"number"')[0]


def test_a_function_that_fails_loses_that_event_alone(tmp_path: Path) -> None:
    with function_running(tmp_path) as function:
        function.send({"fail": True}, {"number": 1})
        function.wait_for_answer({"number": 1})
        assert "ValueError: asked to fail" in function.log()
        assert function.log().count("loaded") == 1


def test_a_function_that_hangs_is_replaced_after_its_time_out_and_the_queue_goes_on(
    tmp_path: Path,
) -> None:
    with function_running(tmp_path, timeoutInSeconds=1) as function:
        function.send({"hang": True}, {"number": 1})
        function.wait_for_answer({"number": 1})
        assert "event 1 timed out after 1 s; replacing its process" in function.log()
        assert function.log().count("loaded") == 2
        assert function.running.component(FUNCTION)["restarts"] == 0


def test_a_process_that_gives_no_word_of_itself_is_replaced(tmp_path: Path) -> None:
    code = ECHO.replace(
        '    if event.get("fail")',
        '    if event.get("stop"):\n        os.kill(os.getpid(), 19)\n    if event.get("fail")',
    )
    with function_running(
        tmp_path, code, statusTimeoutInSeconds=1, timeoutInSeconds=60
    ) as function:
        function.send({"stop": True}, {"number": 1})
        function.wait_for_answer({"number": 1})
        assert "no heartbeat of the function for 1 s" in function.log()


def test_events_beyond_the_queue_are_refused_and_counted(tmp_path: Path) -> None:
    code = ECHO.replace(
        '    if event.get("fail")',
        '    if event.get("slow"):\n        import time\n        time.sleep(2)\n    if event.get("fail")',
    )
    with function_running(tmp_path, code, maxQueueSize=2, timeoutInSeconds=30) as function:
        function.send({"slow": True})
        function.wait_for_line(FUNCTION, "slow")
        function.send(*({"number": n} for n in range(5)))
        function.wait_for_answer({"number": 1})
        function.wait_for_line(FUNCTION, "refused: the queue is full", times=3)
    assert "taken=3, refused=3, done=3" in function.log()


def test_a_function_that_is_not_pinned_starts_with_an_event_and_ends_when_idle(
    tmp_path: Path,
) -> None:
    with function_running(tmp_path, pinned=False, maxIdleTimeInSeconds=1) as function:
        assert "loaded" not in function.log()
        for round_number in (1, 2):
            function.send({"number": round_number})
            function.wait_for_answer({"number": round_number})
            wait_until(lambda: not find_processes(tmp_path))
            assert function.log().count("loaded") == round_number
        assert "ended with" not in function.log()


def test_a_function_that_cannot_be_loaded_is_the_components_error(tmp_path: Path) -> None:
    with function_running(tmp_path, "raise RuntimeError('no such model')") as function:
        wait_until(lambda: function.running.component(FUNCTION).get("restarts", 0) >= 1)
        assert "no such model" in function.log()
        assert "the function's process ended with exit code 1 while starting" in function.log()


def test_what_a_function_tells_the_cloud_reaches_the_broker(tmp_path: Path) -> None:
    with broker(tmp_path) as (_, port), function_running(tmp_path, port=port) as function:
        heard: list[bytes] = []
        client = subscriber(port, "far/#", heard)
        try:
            function.send({"to": "far/away", "number": 1})
            wait_until(lambda: heard)
            assert json.loads(heard[0]) == {"to": "far/away", "number": 1}
        finally:
            client.disconnect().result(10)
