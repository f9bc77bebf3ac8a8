"""The bench's measure beside another program: with the posts that were imported, and only with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from dodeca.bench import news
from dodeca.cli.main import dodeca
from dodeca.kernel.errors import Invalid


class Front(BaseHTTPRequestHandler):
    """Another program's front page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"hn")

    def log_message(self, *_said: object) -> None:
        """Say nothing."""


@pytest.fixture
def other() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_without_posts_of_ours_there_is_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="--data DIR"):
        news.run(runs=1, seconds=0.2, options={"peer_url": "http://127.0.0.1:1/", "data": str(tmp_path)}, say=print)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_both_front_pages_are_loaded_by_turns(tmp_path: Path, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "PEER_SECONDS", 0.2)
    stories = [
        {"id": n, "type": "story", "by": "a", "title": f"Post {n}", "time": 1_700_000_000 + n} for n in range(1, 4)
    ]
    (tmp_path / "items.jsonl").write_bytes(b"\n".join(msgspec.json.encode(story) for story in stories))
    command = ["import", "news", str(tmp_path / "items.jsonl"), "--data", str(tmp_path / "data")]
    assert CliRunner().invoke(dodeca, command).exit_code == 0

    options = {"peer_url": other, "data": str(tmp_path / "data")}
    (result,) = news.run(runs=2, seconds=0.2, options=options, say=lambda _said: None)

    assert len(result.runs) == 2
    assert all(rate > 0 for rate in result.runs)
    assert result.ratio is not None
