"""Discussion: from what people type to safe HTML, and from flat rows to threads. No tables of its own."""

from dodeca.commons.discussion.text import plain_text, rendered, reserialised, sanitised, typed
from dodeca.commons.discussion.threads import Node, threaded

__all__ = ["Node", "plain_text", "rendered", "reserialised", "sanitised", "threaded", "typed"]
