"""Tries out in a process of its own what a folder brings and a library would run in ours: templates and patterns.

A template that loops, or makes gigabytes, ends that process and no run: CPU seconds, memory and output are bounded.
The template is rendered as transformers' `chat_template_utils` does: jinja's immutable sandbox, its loop controls, and
the block `generation`, which changes no text. What a template does with other words than those of the trial is not
seen.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tasks.records.errors import CheckpointError

SECONDS = 5
MEMORY = 512 * 2**20
MOST_TEXT = 2**20
"""Bounds of a trial: CPU seconds, bytes of memory, characters of a rendered prompt."""

_WALL = 60.0
"""Seconds on the clock, for a machine that has other work."""

_BEGIN = """
import json, resource, sys
given = json.load(sys.stdin)
resource.setrlimit(resource.RLIMIT_CPU, (given["seconds"], given["seconds"]))
resource.setrlimit(resource.RLIMIT_AS, (given["memory"], given["memory"]))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
"""

_RENDER = """
import datetime
from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

class Generation(Extension):
    tags = {"generation"}
    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)
    def _same(self, caller):
        return caller()

def fail(message):
    raise TemplateError(message)

def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

room = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
room.filters["tojson"] = tojson
room.globals.update(raise_exception=fail, strftime_now=lambda form: datetime.datetime.now().strftime(form))
try:
    text = room.from_string(given["template"]).render(
        messages=given["messages"], tools=None, documents=None, add_generation_prompt=True, **given["tokens"])
    told = {"text": text} if len(text) <= given["most"] else {"fault": f"makes {len(text)} characters"}
except MemoryError:
    told = {"fault": "needs more memory than a prompt does"}
except Exception as error:
    told = {"fault": f"fails: {type(error).__name__}: {str(error)[:200]}"}
print(json.dumps(told))
"""

_MATCH = """
import re
try:
    for pattern in given["patterns"]:
        found = re.compile(pattern)
        for name in given["names"]:
            found.fullmatch(name), found.match(name)
    told = {}
except MemoryError:
    told = {"fault": "needs more memory than a pattern does"}
except Exception as error:
    told = {"fault": f"is no pattern: {type(error).__name__}: {str(error)[:200]}"}
print(json.dumps(told))
"""


def render(template: str, messages: list[dict[str, Any]], tokens: dict[str, str]) -> str:
    """What a chat template makes of a chat. Raises CheckpointError, in words that go on after the template's name."""
    return str(
        _tried(_RENDER, {"template": template, "messages": messages, "tokens": tokens, "most": MOST_TEXT})["text"]
    )


def check_patterns(patterns: list[str], names: list[str]) -> None:
    """Raises CheckpointError if one of some regular expressions cannot be matched with names in reasonable time."""
    if patterns:
        _tried(_MATCH, {"patterns": patterns, "names": names})


def _tried(script: str, given: dict[str, Any]) -> dict[str, Any]:
    asked = json.dumps({**given, "seconds": SECONDS, "memory": MEMORY})
    try:
        # -I: neither the environment nor the folder that we run in has a say in what is imported.
        done = subprocess.run(
            [sys.executable, "-I", "-c", _BEGIN + script],
            input=asked.encode(),
            capture_output=True,
            timeout=_WALL,
            check=False,
        )
        told = json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        told = None
    except OSError as error:
        raise CheckpointError(f"cannot be tried out: {error}") from error
    if not isinstance(told, dict):
        raise CheckpointError(f"does not end within {SECONDS} s and {MEMORY // 2**20} MiB")
    if "fault" in told:
        raise CheckpointError(str(told["fault"]))
    return told
