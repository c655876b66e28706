"""The deployment files: valid, in step with the code, and free of surprises."""

import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from account_reviews.config.settings import Settings
from account_reviews.local.temporal_server import DYNAMIC_CONFIG
from account_reviews.temporal.names import RETENTION_DAYS
from account_reviews.temporal.search_attributes import SEARCH_ATTRIBUTES
from tests.support.compose import OURS, PASSWORDS, services, tool
from tests.support.paths import ROOT

NAMESPACE_SCRIPT = ROOT / "deploy/temporal/setup-namespace.sh"


@pytest.mark.parametrize(
    "command",
    [
        ("docker-compose", "config", "-q"),
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"),
        ("hadolint", "Dockerfile"),
    ],
)
def test_tools_find_nothing(command: tuple[str, ...]) -> None:
    done = tool(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_namespace_script_registers_what_the_code_uses() -> None:
    script = NAMESPACE_SCRIPT.read_text(encoding="utf-8")
    listed = re.search(r"<<ATTRIBUTES\n(.*?)\nATTRIBUTES", script, re.DOTALL)
    assert listed is not None
    pairs = [line.split() for line in listed[1].splitlines()]
    assert {name: kind for name, kind in pairs} == SEARCH_ATTRIBUTES  # noqa: C416
    assert f"\nretention={RETENTION_DAYS}d\n" in script


def test_dynamic_config_is_the_one_of_the_local_server() -> None:
    path = ROOT / "deploy/temporal/dynamicconfig.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(settings) == {
        "history.timerProcessorMaxTimeShift",
        "history.transferProcessorMaxPollRPS",
        "matching.enableFairness",
        "history.visibilityProcessorEnsureCloseBeforeDelete",
    }
    for key, (setting,) in settings.items():
        assert setting["value"] == yaml.safe_load(DYNAMIC_CONFIG[key])


def test_every_service_waits_for_what_it_needs() -> None:
    waits = {
        name: {other: rule["condition"] for other, rule in service.get("depends_on", {}).items()}
        for name, service in services().items()
    }
    done, healthy = "service_completed_successfully", "service_healthy"
    assert waits == {
        "postgres": {},
        "postgres-roles": {"postgres": healthy},
        "temporal-schema": {"postgres-roles": done},
        "temporal": {"temporal-schema": done},
        "temporal-namespace": {"temporal": healthy},
        "temporal-ui": {"temporal": healthy},
        "migrate": {"postgres-roles": done},
        "worker": {"migrate": done, "temporal-namespace": done},
    }


def test_who_is_waited_for_can_say_so() -> None:
    everything = services()
    for service in everything.values():
        for other, rule in service.get("depends_on", {}).items():
            if rule["condition"] == "service_healthy":
                assert everything[other]["healthcheck"]["test"]
            else:
                assert everything[other]["restart"].startswith("on-failure")


def test_images_are_pinned_and_mounted_files_exist() -> None:
    for name, service in services("monitoring").items():
        _, _, tag = service["image"].partition(":")
        assert tag not in ("", "latest"), name
        if name not in OURS:
            assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", service["image"]), name
        for volume in service.get("volumes", ()):
            if volume["type"] == "bind":
                assert Path(volume["source"]).is_dir(), volume


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in services().values() for port in service.get("ports", ())]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_every_service_is_closed() -> None:
    """What gets into one can write to its volumes and to memory, and has no right of root."""
    for name, service in services("monitoring").items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name


@pytest.mark.parametrize("name", PASSWORDS)
def test_no_password_has_a_default(name: str) -> None:
    given = {other: word for other, word in PASSWORDS.items() if other != name}
    done = tool("docker-compose", "--profile", "monitoring", "config", "-q", passwords=given)
    assert done.returncode != 0
    assert f"{name} is missing a value: run `sh deploy/passwords.sh`" in done.stderr


def test_each_service_has_the_passwords_it_needs_and_no_others() -> None:
    words = {word: name.removesuffix("_PASSWORD") for name, word in PASSWORDS.items()}
    has = {
        name: {words[value] for value in service.get("environment", {}).values() if value in words}
        for name, service in services("monitoring").items()
    }
    assert {name: found for name, found in has.items() if found} == {
        "postgres": {"POSTGRES"},
        "postgres-roles": {"POSTGRES", "TEMPORAL_DB", "REVIEWS_OWNER", "REVIEWS_WORKER"},
        "temporal-schema": {"TEMPORAL_DB"},
        "temporal": {"TEMPORAL_DB"},
        "migrate": {"REVIEWS_OWNER"},
        "worker": {"REVIEWS_WORKER"},
        "grafana": {"GRAFANA"},
    }


def test_every_setting_of_a_worker_can_be_given() -> None:
    """By `.env`: what Compose does not hand on would be set there without any effect."""
    elsewhere = {
        "data_dir",  # stands in the image
        "audit_database_url", "audit_owner_url", "audit_signing_key", "audit_keys",
    }  # fmt: skip
    known = {one.name for one in fields(Settings) if one.init}
    elsewhere |= {f"{one}_file" for one in known if f"{one}_file" in known}  # of a secret store
    settings = {f"REVIEWS_{name.upper()}" for name in known - elsewhere - {"snapshot"}}
    worker, web = (services("web")[name]["environment"] for name in ("worker", "web"))
    assert settings - set(worker) - set(web) == set()
    for_pages = {"REVIEWS_OIDC_ISSUER", "REVIEWS_WEB_PROXIES"}
    assert settings - set(worker) >= for_pages
    assert {name for name in set(web) - set(worker) if name.startswith("REVIEWS_")} <= settings


def test_the_key_and_the_seals_lie_apart() -> None:
    worker = services()["worker"]
    volumes = {volume["target"]: volume["source"] for volume in worker["volumes"]}
    seals = Path(worker["environment"]["REVIEWS_AUDIT_SEALS"]).parent
    places = ["/var/lib/reviews", str(seals), worker["environment"]["REVIEWS_AUDIT_ARCHIVE"]]
    assert "REVIEWS_AUDIT_SIGNING_KEY" not in worker["environment"], "it lies in the first"
    assert len({volumes[place] for place in places}) == 3
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    (made,) = [line for line in lines if "install -d" in line]
    assert set(places) <= set(made.split())


def test_passwords_are_written_once_and_for_one_user(tmp_path: Path) -> None:
    def write() -> subprocess.CompletedProcess[str]:
        command = ["sh", str(ROOT / "deploy/passwords.sh")]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert write().stdout == "passwords are in .env\n"
    file = tmp_path / ".env"
    written = dict(line.split("=") for line in file.read_text().splitlines())
    assert written.keys() == PASSWORDS.keys()
    assert len(set(written.values())) == len(written)
    assert {len(word) for word in written.values()} == {48}
    assert file.stat().st_mode & 0o777 == 0o600
    assert write().returncode != 0
    assert dict(line.split("=") for line in file.read_text().splitlines()) == written


def test_ours_run_as_nobody_in_particular() -> None:
    for name in OURS:
        service = services()[name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "ports" not in service
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001"]


def test_the_image_copies_files_that_are_there_and_not_ignored() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copies = [
        line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line
    ]
    sources = {source for line in copies for source in line}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert {source.split("/")[0] for source in sources} == kept
    assert [source for source in sources if not (ROOT / source).exists()] == []
