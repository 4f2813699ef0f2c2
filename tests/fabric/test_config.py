from pathlib import Path

import pytest

from fabric.config import load_project
from fabric.errors import InvalidConfig
from fabric.secrets import redact

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b27JpXnlWc3tHE4i3OlyRyHBGA"

LEAST = """\
name: acme
domains:
  claims: {owner: "role:claims-owner"}
sources:
  desk: {type: local, domain: claims, uri: data/}
"""


def project(directory: Path, fabric: str = LEAST, users: str | None = "users: {}\n") -> Path:
    (directory / "fabric.yaml").write_text(fabric)
    if users is not None:
        (directory / "users.yaml").write_text(users)
    return directory


def problems(directory: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        load_project(directory, environment or {})
    assert caught.value.hint
    return caught.value.message.splitlines()


def test_what_is_not_said_has_the_documented_default(tmp_path: Path) -> None:
    config = load_project(project(tmp_path), {})
    assert (config.server.host, config.server.port, config.http.port) == ("127.0.0.1", 31337, 8088)
    assert config.state.get_secret_value() == str(tmp_path / ".ripstop/state.db")
    assert config.lake.uri == str(tmp_path / ".ripstop/lake")
    assert config.audit.fsync == "group"
    limits = config.limits["default"]
    assert (limits.running, limits.queued, limits.per_user) == (8, 64, 4)
    assert (limits.seconds, limits.memory) == (300, 2 * 10**9)
    assert config.cache is not None
    assert (config.cache.memory, config.cache.disk, config.cache.results) == (
        512 * 10**6,
        4 * 10**9,
        256 * 10**6,
    )


def test_limits_of_roles_and_a_changed_default_are_read(tmp_path: Path) -> None:
    text = LEAST + "limits:\n  default: {per_user: 2}\n  role:analyst: {seconds: 60, source_bytes: 10GB}\n"
    limits = load_project(project(tmp_path, text), {}).limits
    assert (limits["default"].per_user, limits["default"].running) == (2, 8)
    assert (limits["role:analyst"].seconds, limits["role:analyst"].source_bytes) == (60, 10**10)


def test_the_cache_can_be_off(tmp_path: Path) -> None:
    assert load_project(project(tmp_path, LEAST + "cache: off\n"), {}).cache is None


def test_a_sources_domain_is_found_without_case_and_spelled_as_declared(tmp_path: Path) -> None:
    text = LEAST.replace("domain: claims", "domain: CLAIMS")
    assert load_project(project(tmp_path, text), {}).sources["desk"].domain == "claims"


def test_an_unknown_key_is_told_with_file_line_path_and_the_nearest_known_key(tmp_path: Path) -> None:
    text = LEAST.replace("uri: data/", "uri: data/, descripton: x")
    assert problems(project(tmp_path, text)) == [
        "fabric.yaml:5: sources.desk.descripton: unknown key; did you mean 'description'?"
    ]


def test_an_unknown_key_inside_a_table_is_told_too(tmp_path: Path) -> None:
    text = LEAST.replace("uri: data/", 'uri: data/, tables: {note: {path: "*.csv", format: csv, colums: {}}}')
    assert problems(project(tmp_path, text)) == [
        "fabric.yaml:5: sources.desk.tables.note.colums: unknown key; did you mean 'columns'?"
    ]


def test_an_unknown_key_like_no_other_lists_the_known_ones(tmp_path: Path) -> None:
    (told,) = problems(project(tmp_path, LEAST + "zzz: 1\n"))
    assert told.startswith(
        "fabric.yaml:6: zzz: unknown key; known keys: audit, auth, cache, domains, history, http"
    )
    assert "sources" in told


def test_an_unknown_source_type_names_the_nearest(tmp_path: Path) -> None:
    assert problems(project(tmp_path, LEAST.replace("type: local", "type: locla"))) == [
        "fabric.yaml:5: sources.desk.type: there is no source type 'locla'; did you mean 'local'?"
    ]


def test_a_source_without_type_is_told_the_known_ones(tmp_path: Path) -> None:
    (told,) = problems(project(tmp_path, LEAST.replace("type: local, ", "")))
    assert told.startswith("fabric.yaml:5: sources.desk.type: required; known types: adbc, ftp")


def test_a_key_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    assert problems(project(tmp_path, LEAST + "name: other\n")) == [
        "fabric.yaml:6: name: this key stands here twice, first in line 1"
    ]


def test_all_problems_of_both_files_are_told_at_once(tmp_path: Path) -> None:
    text = LEAST + "server: {port: 70000}\nlimits: {default: {seconds: fast}}\nkey: ${env:RIPSTOP_KEY}\n"
    found = problems(project(tmp_path, text, "users:\n  ana: {password: hunter2}\n"))
    assert [line.split(": ")[:2] for line in found] == [
        ["fabric.yaml:6", "server.port"],
        ["fabric.yaml:7", "limits.default.seconds"],
        ["fabric.yaml:8", "key"],
        ["users.yaml:2", "users.ana.password"],
    ]


def test_text_that_is_no_yaml_is_told_with_its_line_and_without_its_words(tmp_path: Path) -> None:
    found = problems(project(tmp_path, LEAST + "key: *hunter2secret\n"))
    assert found[0].startswith("fabric.yaml:6: not YAML:")
    assert "hunter2" not in found[0]


@pytest.mark.parametrize("text", ["", "- a\n", "name\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(project(tmp_path, text))


def test_an_anchor_that_contains_itself_is_refused(tmp_path: Path) -> None:
    assert any(
        "anchor that contains itself" in told for told in problems(project(tmp_path, "name: &a [*a]\n"))
    )


def test_an_anchor_can_be_merged_into_another_mapping(tmp_path: Path) -> None:
    text = LEAST.replace("desk: {", "desk: &desk {") + "  archive: {<<: *desk, uri: old/}\n"
    sources = load_project(project(tmp_path, text), {}).sources
    assert (sources["archive"].domain, sources["archive"].uri) == ("claims", "old/")  # type: ignore[attr-defined]


def test_a_missing_project_file_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path)[0] == "fabric.yaml: the file does not exist"


def test_a_missing_users_file_is_named(tmp_path: Path) -> None:
    assert problems(project(tmp_path, users=None)) == ["users.yaml: the file does not exist"]


def test_no_users_file_is_needed_where_everyone_is_a_guest(tmp_path: Path) -> None:
    config = load_project(project(tmp_path, LEAST + "auth: {anonymous: role:guest}\n", None), {})
    assert config.auth.anonymous == "role:guest"
    assert config.users == {}


@pytest.mark.parametrize("name", ["system", "Results", "acme", "information_schema"])
def test_reserved_names_are_refused_for_domains_and_sources(tmp_path: Path, name: str) -> None:
    text = LEAST + f"  {name}: {{type: local, domain: claims, uri: x/}}\n"
    (told,) = problems(project(tmp_path, text))
    assert told.startswith(f"fabric.yaml:6: sources.{name}: '{name}' is")


def test_a_domain_and_a_source_share_no_name_whatever_the_case(tmp_path: Path) -> None:
    (told,) = problems(project(tmp_path, LEAST.replace("desk:", "Claims:")))
    assert told == (
        "fabric.yaml:5: sources.Claims: the domain 'claims' in line 3 has this name (case does not count)"
    )


def test_the_federation_is_no_domain(tmp_path: Path) -> None:
    text = LEAST.replace("sources:", "  federation: {owner: ana}\nsources:")
    assert problems(project(tmp_path, text))[0].startswith("fabric.yaml:4: domains.federation:")


def test_a_name_that_sql_or_a_path_would_stumble_over_is_refused(tmp_path: Path) -> None:
    (told,) = problems(project(tmp_path, LEAST.replace("desk:", "../desk:")))
    assert "a name starts with a letter" in told


def test_the_domain_of_a_source_must_be_declared(tmp_path: Path) -> None:
    assert problems(project(tmp_path, LEAST.replace("domain: claims", "domain: claim"))) == [
        "fabric.yaml:5: sources.desk.domain: there is no domain 'claim'; did you mean 'claims'?"
    ]


def test_an_owner_cannot_be_everyone(tmp_path: Path) -> None:
    assert problems(project(tmp_path, LEAST.replace("role:claims-owner", "role:*")))[0].startswith(
        "fabric.yaml:3: domains.claims.owner: an owner is a role"
    )


@pytest.mark.parametrize(("name", "line"), [('"a:b"', 2), ('"a*"', 2)])
def test_user_names_that_could_pass_for_other_subjects_are_refused(
    tmp_path: Path, name: str, line: int
) -> None:
    found = problems(project(tmp_path, users=f"users:\n  {name}: {{password: '{HASH}'}}\n"))
    assert found == [
        f"users.yaml:{line}: users.{name.strip(chr(34))}: a user's name holds no ':', '*' or ','"
    ]


def test_two_users_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    text = f"users:\n  ana: {{password: '{HASH}'}}\n  Ana: {{password: '{HASH}'}}\n"
    assert problems(project(tmp_path, users=text))[0].startswith("users.yaml:3: users.Ana: the user 'ana'")


def test_a_role_is_written_with_its_prefix(tmp_path: Path) -> None:
    (told,) = problems(project(tmp_path, users=f"users:\n  ana: {{password: '{HASH}', roles: [analyst]}}\n"))
    assert told.endswith("did you mean 'role:analyst'?")


def test_users_keep_their_attributes_as_people_mean_them(tmp_path: Path) -> None:
    text = f"users:\n  no: {{password: '{HASH}', roles: [role:a], attributes: {{country: NO, regions: [EU, US], n: 7}}}}\n"
    user = load_project(project(tmp_path, users=text), {}).users["no"]
    assert user.attributes == {"country": "NO", "regions": ("EU", "US"), "n": 7}
    assert user.roles == ("role:a",)


def test_a_clear_text_password_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (told,) = problems(project(tmp_path, users="users:\n  ana: {password: hunter2}\n"))
    assert "`ripstop user hash`" in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "written", ["$argon2id$nonsense", "x${env:PW}", "$argon2i$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"]
)
def test_what_is_neither_hash_nor_reference_is_clear_text(tmp_path: Path, written: str) -> None:
    (told,) = problems(project(tmp_path, users=f"users:\n  ana: {{password: '{written}'}}\n"), {"PW": "pw"})
    assert "clear-text" in told


def test_a_password_behind_a_reference_may_be_clear_text(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2hunter2\n")
    text = "users: {ana: {password: ${env:ANA_PW}}, bo: {password: ${file:secret}}}\n"
    users = load_project(project(tmp_path, users=text), {"ANA_PW": "correct horse"}).users
    assert users["ana"].password.get_secret_value() == "correct horse"
    assert users["bo"].password.get_secret_value() == "hunter2hunter2"


def test_without_tls_the_server_binds_loopback_only(tmp_path: Path) -> None:
    (told,) = problems(project(tmp_path, LEAST + "server: {host: 0.0.0.0}\n"))
    assert told.startswith("fabric.yaml:6: server.host: without tls the server binds loopback only")


@pytest.mark.parametrize("said", ["tls: off", "tls: {cert: c.pem, key: k.pem}"])
def test_tls_or_its_refusal_opens_the_server_to_others(tmp_path: Path, said: str) -> None:
    config = load_project(project(tmp_path, LEAST + f"server: {{host: 0.0.0.0, {said}}}\n"), {})
    tls = config.server.tls
    assert tls == "off" or (tls is not None and tls.cert == str(tmp_path / "c.pem"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_loopback_needs_no_tls(tmp_path: Path, host: str) -> None:
    assert load_project(project(tmp_path, LEAST + f'server: {{host: "{host}"}}\n'), {}).server.host == host


def test_a_wrong_key_inside_tls_is_told_of_the_branch_that_was_meant(tmp_path: Path) -> None:
    found = problems(project(tmp_path, LEAST + "server: {tls: {cert: c, kye: k}}\n"))
    assert found == [
        "fabric.yaml:6: server.tls.key: required",
        "fabric.yaml:6: server.tls.kye: unknown key; did you mean 'key'?",
    ]


def test_there_may_be_several_workers_but_not_none(tmp_path: Path) -> None:
    assert load_project(project(tmp_path, LEAST + "server: {workers: 2}\n"), {}).server.workers == 2
    (told,) = problems(project(tmp_path, LEAST + "server: {workers: 0}\n"))
    assert told.startswith("fabric.yaml:6: server.workers: ")


def test_no_users_file_is_needed_where_an_issuer_logs_people_in(tmp_path: Path) -> None:
    text = LEAST + "auth: {jwt: {issuer: i, audience: a, jwks: keys.json}}\n"
    config = load_project(project(tmp_path, text, None), {})
    assert config.auth.jwt is not None
    assert config.users == {}


def test_a_key_that_is_too_short_is_refused_without_showing_it(tmp_path: Path) -> None:
    (told,) = problems(project(tmp_path, LEAST + "key: hunter2\n"))
    assert "too short" in told
    assert "hunter2" not in told


def test_the_files_to_watch_hold_those_of_references(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("0123456789abcdef0123456789abcdef")
    config = load_project(project(tmp_path, LEAST + "key: ${file:k}\n"), {})
    assert config.files == {tmp_path / "fabric.yaml", tmp_path / "users.yaml", tmp_path / "k"}


def test_no_secret_shows_in_a_configuration_or_its_parts(tmp_path: Path) -> None:
    text = (
        LEAST
        + "key: ${env:K}\nstate: postgresql://u:statepass@h/db\nlake: {uri: s3://b/, secret_access_key: lakesecret}\n"
    )
    config = load_project(
        project(tmp_path, text, "users: {ana: {password: ${env:PW}}}\n"),
        {"K": "keykeykeykeykeykey", "PW": "anapassword"},
    )
    shown = f"{config!r} {config} {config.users!r} {config.lake} {config.state!r}"
    for secret in ("keykeykey", "statepass", "lakesecret", "anapassword"):
        assert secret not in shown
        assert secret not in redact(f"driver said: {secret}{secret}")
