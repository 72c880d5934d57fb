"""The metrics page and the health check of a process."""

import http.client
import json

from crossregion import metrics


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_process_serves_its_metrics_and_its_health() -> None:
    port, stop = metrics.serve(metrics.Health())
    try:
        metrics.EVENTS.labels("test", "case", "done").inc(3)
        status, page = get(port, "/metrics")
        assert status == 200
        line = 'crossregion_events_total{kind="case",outcome="done",process="test"} 3.0'
        assert line in page
        assert json.loads(get(port, "/health")[1])["healthy"] is True
        assert get(port, "/else")[0] == 404
    finally:
        stop()


def test_a_silent_process_is_not_healthy() -> None:
    port, stop = metrics.serve(metrics.Health(stall_seconds=0.0))
    try:
        assert get(port, "/health")[0] == 503
    finally:
        stop()
