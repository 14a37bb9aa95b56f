"""Dockerfile, compose and Kubernetes files: what can be checked of them without a Docker engine or a cluster."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import prefect_redis.cleanup_queue
import prefect_redis.client
import pytest
import yaml
from prefect.settings import Settings
from prefect.settings.legacy import _get_settings_fields

from configs.stage_a import StageAConfig

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "infra/docker/Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "infra/compose.yaml").read_text(encoding="utf-8"))
KUBERNETES = ROOT / "infra/kubernetes"
TEMPLATE = json.loads((KUBERNETES / "base-job-template.json").read_text(encoding="utf-8"))
REDIS = {f"PREFECT_REDIS_MESSAGING_{name.upper()}" for name in prefect_redis.client.RedisMessagingSettings.model_fields}
REDIS |= {
    f"PREFECT_REDIS_WORKER_CLEANUP_QUEUE_{name.upper()}"
    for name in prefect_redis.cleanup_queue.RedisWorkerCleanupQueueSettings.model_fields
}
# Read by prefect-kubernetes 0.8.0, which is not among our packages.
KUBERNETES_WORKER = {
    f"PREFECT_INTEGRATIONS_KUBERNETES_{name}"
    for name in ("WORKER_API_AUTH_STRING_SECRET_NAME", "WORKER_API_AUTH_STRING_SECRET_KEY", "OBSERVER_NAMESPACES")
}
SECRETS = re.compile(r"PASSWORD|SECRET|AUTH|KEY")


def prefect_names() -> set[str]:
    """Every variable that Prefect or prefect-redis reads."""
    names = REDIS | KUBERNETES_WORKER
    for setting in _get_settings_fields(Settings).values():
        names.add(setting.name)
        alias = setting.accessor.upper().replace(".", "_")
        names.add(f"PREFECT_{alias}")
    return names


def files() -> list[Path]:
    """All files that name variables."""
    return [ROOT / "infra/docker/Dockerfile", ROOT / "infra/compose.yaml", *sorted(KUBERNETES.glob("*.yaml"))]


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_prefect_reads_every_variable(path: Path) -> None:
    told = set(re.findall(r"\bPREFECT_[A-Z_]+[A-Z]\b(?!})", path.read_text(encoding="utf-8")))
    told -= {"PREFECT_AUTH", "PREFECT_ENCRYPTION_KEY"}  # compose's own
    told -= {"PREFECT_SERVER_ENCRYPTION_KEY"}  # read where blocks are encrypted, and no setting
    assert told <= prefect_names(), told - prefect_names()


def test_fieldcheck_reads_every_variable() -> None:
    own = {"HOME", "VERSION", "ALERT_URL", "IMAGE"}
    for name in set(re.findall(r"\bFIELDCHECK_([A-Z0-9_]+)", (ROOT / "infra/compose.yaml").read_text())):
        assert name in own or name.split("__")[0].lower() in StageAConfig.model_fields, name


def words(told: Any) -> list[str]:
    """What compose takes for a list of words or a mapping, as words; a mapping's as NAME=value."""
    if isinstance(told, dict):
        return [f"{name}={'' if value is None else value}" for name, value in told.items()]
    return [str(told)] if isinstance(told, str) else [str(one) for one in told or []]


def shown(service: dict[str, Any]) -> list[str]:
    """What everybody on the machine reads of a service: process arguments, labels and the health check's."""
    arguments = (service.get("command"), service.get("entrypoint"), service.get("healthcheck", {}).get("test"))
    return [*(" ".join(words(told)) for told in arguments), *words(service.get("labels"))]


def secrets(service: dict[str, Any]) -> list[str]:
    """Secrets of a service that are written down in the file, or that others than its processes can read."""
    found = []
    for told in words(service.get("environment")):
        variable, _, value = told.partition("=")
        if SECRETS.search(variable) and value and "${" not in value:
            found.append(told)
    for told in shown(service):
        named = re.search(rf"({SECRETS.pattern})[A-Z_]*[=: ]", told, re.IGNORECASE)
        asked = [name for name in re.findall(r"\${1,2}\{?(\w+)", told) if SECRETS.search(name)]
        credentials = re.search(r"://[^/\s:@]+:[^/\s@]+@", told)
        if named or asked or credentials:
            found.append(told)
    return found


@pytest.mark.parametrize(
    "service",
    [
        {"environment": {"POSTGRES_PASSWORD": "x"}},
        {"environment": ["POSTGRES_PASSWORD=x"]},
        {"command": ["serve", "--auth-key", "${S3_KEY},${S3_SECRET}"]},
        {"command": ["serve", "--auth-key", "a,b"]},
        {"command": "redis-server --requirepass $$REDIS_PASSWORD"},
        {"command": ["psql", "postgresql://prefect:x@postgres/prefect"]},
        {"entrypoint": ["env", "AWS_SECRET_ACCESS_KEY=x", "rclone"]},
        {"labels": {"auth": "admin:x"}},
        {"labels": ["traefik.auth=${PREFECT_AUTH}"]},
        {"healthcheck": {"test": ["CMD", "redis-cli", "-a", "${REDIS_PASSWORD}", "ping"]}},
    ],
)
def test_a_secret_is_found_wherever_it_is(service: dict[str, Any]) -> None:
    assert secrets(service)


def in_kubernetes(told: Any) -> list[str]:
    """Secrets that are written down in a manifest, in values of a chart or in a job template, at any depth."""
    found = []
    if isinstance(told, list):
        return [secret for one in told for secret in in_kubernetes(one)]
    if isinstance(told, dict):
        # A name of a secret and of its key is none: pods read the rest from the cluster.
        if (
            SECRETS.search(str(told.get("name")))
            and told.get("value")
            and not re.search("SECRET_(NAME|KEY)$", told["name"])
        ):
            found.append(f"{told['name']}={told['value']}")
        for key, one in told.items():
            arguments = one if key in ("command", "args", "extraArgs", "entrypoint", "exec") else None
            found += secrets({"command": arguments if not isinstance(arguments, dict) else arguments.get("command")})
            found += in_kubernetes(one)
    return found


@pytest.mark.parametrize(
    "told",
    [
        {"env": [{"name": "PREFECT_API_AUTH_STRING", "value": "admin:x"}]},
        {"spec": {"containers": [{"args": ["serve", "--auth-key", "a,b"]}]}},
        {"worker": {"extraArgs": ["--password=x"]}},
        {"livenessProbe": {"exec": {"command": ["redis-cli", "-a", "$(REDIS_PASSWORD)", "https://u:p@host"]}}},
    ],
)
def test_a_secret_of_a_manifest_is_found(told: dict[str, Any]) -> None:
    assert in_kubernetes(told)


def test_manifests_and_image_hold_no_secret() -> None:
    for path in KUBERNETES.glob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            assert not in_kubernetes(document), path.name
    assert not in_kubernetes(TEMPLATE)
    for line in DOCKERFILE.replace("\\\n", " ").splitlines():
        told = re.findall(r"(\w+)=(\S+)", line) if re.match(r"(ENV|ARG|RUN|LABEL) ", line) else []
        assert not [name for name, _ in told if SECRETS.search(name)], line
        assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", line), line


def test_services_start_again_and_hold_no_secret() -> None:
    once = {"migrate", "deploy", "demo", "bucket"}
    for name, service in COMPOSE["services"].items():
        assert service["restart"] == ("no" if name in once else "unless-stopped"), name
        assert not service["image"].endswith("latest")
        assert ":" in service["image"], name
        assert not secrets(service), name


def test_who_waits_for_whom_can() -> None:
    for name, service in COMPOSE["services"].items():
        for needed, how in service.get("depends_on", {}).items():
            other = COMPOSE["services"][needed]
            ends = other["restart"] == "no"
            assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy"), name
            # The server's check is in its image.
            assert ends or needed == "server" or other["healthcheck"]["test"], needed
            outside = set(other.get("profiles", [])) - set(service.get("profiles", []))
            assert not outside or how.get("required") is False, f"{name} is started without {needed}"


def test_whoever_reads_the_bucket_waits_for_it() -> None:
    for name, service in COMPOSE["services"].items():
        if any("FIELDCHECK_S3__ENDPOINT_URL" in told for told in words(service.get("environment"))):
            assert service["depends_on"]["s3"]["condition"] == "service_healthy", name


def test_what_compose_asks_for_is_in_the_example() -> None:
    text = (ROOT / "infra/compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{([A-Z0-9_]+)", text))
    given = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / "infra/compose.env.example").read_text(), re.MULTILINE))
    assert asked == given


def test_nobody_is_root_and_nothing_floats() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    named = {re.match(r"(\S+) AS (\S+)", stage)[2]: stage for stage in stages}  # type: ignore[index]
    assert re.findall(r"^USER (\S+)", named["runtime"], re.MULTILINE)[-1] == "10001"
    for target in ("server", "cpu", "gpu"):
        assert named[target].startswith("runtime AS")
        assert "USER" not in named[target]
    assert re.match(r"python:3\.11\.\d+-slim", named["base"])
    for service in COMPOSE["services"].values():
        if "build" in service:
            assert service["build"]["target"] in named


def let_in(path: str, rules: list[str]) -> bool:
    """Whether .dockerignore lets a path into the context: the last rule that fits counts."""
    inside = True
    for rule in rules:
        name = rule.removeprefix("!")
        if fnmatch.fnmatch(path, name) or path.startswith(f"{name}/") or (name == "*"):
            inside = rule.startswith("!")
    return inside


def test_the_context_has_what_is_copied_and_is_small() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert let_in(source, rules), source
    for outside in ("tests", ".git", ".venv", ".env", "infra/demo/page.png"):
        assert not let_in(outside, rules), outside
    size = sum(
        path.stat().st_size
        for top in ("flows", "tasks", "blocks", "configs", "infra")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    assert size < 16 * 2**20


def test_every_placeholder_of_the_job_has_a_variable_and_every_variable_a_place() -> None:
    used = set(re.findall(r"{{ (\w+) }}", json.dumps(TEMPLATE["job_configuration"])))
    assert used == set(TEMPLATE["variables"]["properties"])


def test_the_job_is_not_root_and_has_a_gpu() -> None:
    pod = TEMPLATE["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == 10001
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "{{ gpus }}"
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["volumes"]}


@pytest.mark.parametrize("name", ["base.yaml", "secrets.example.yaml"])
def test_manifests_say_what_they_are(name: str) -> None:
    for document in yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8")):
        assert {"apiVersion", "kind", "metadata"} <= set(document)
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == "fieldcheck"
        if document["kind"] == "Secret":
            assert not any(document["stringData"].values())
