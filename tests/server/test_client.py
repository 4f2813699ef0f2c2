"""What the driver says becomes the error that the server meant."""

from __future__ import annotations

import pytest

from server.client import to_error


@pytest.mark.parametrize(
    ("text", "code", "message", "hint"),
    [
        (
            "NOT_FOUND: [FlightSQL] NOT_FOUND: there is no 'nope' that you may see Hint: SHOW TABLES lists "
            "everything that you may see. Detail: Python exception: NOT_FOUND (NotFound; Prepare)",
            "NOT_FOUND",
            "there is no 'nope' that you may see",
            "SHOW TABLES lists everything that you may see",
        ),
        (
            "UNAUTHENTICATED: [FlightSQL] LOGIN_REFUSED: wrong user name or password. "
            "Detail: Unauthenticated (Unauthenticated; AuthenticateBasicToken)",
            "LOGIN_REFUSED",
            "wrong user name or password",
            "",
        ),
        (
            "INVALID_ARGUMENT: [FlightSQL] INVALID_VALUE: a value (1; 2) cannot be converted Hint: TRY_CAST gives "
            "NULL instead. Detail: Python exception: INVALID_ARGUMENT (InvalidArgument; DoGet: endpoint 0: [])",
            "INVALID_VALUE",
            "a value (1; 2) cannot be converted",
            "TRY_CAST gives NULL instead",
        ),
        (
            "UNAVAILABLE: [FlightSQL] SOURCE_TIMEOUT: source 'x': silent (Unavailable; DoGet). Vendor code: 14",
            "SOURCE_TIMEOUT",
            "source 'x': silent",
            "",
        ),
        (
            'IO: [FlightSQL] connection error: desc = "transport: connect: connection refused" '
            "(Unavailable; AuthenticateBasicToken). Vendor code: 14",
            "UNREACHABLE",
            "no Ripstop answers at grpc://h:1: connection error: desc = "
            '"transport: connect: connection refused"',
            "is `ripstop serve` running? see --uri",
        ),
    ],
)
def test_the_servers_code_message_and_hint_come_back(text: str, code: str, message: str, hint: str) -> None:
    error = to_error(text, "grpc://h:1")
    assert (error.code, error.message, error.hint) == (code, message, hint)


@pytest.mark.parametrize(
    ("uri", "said", "hint"),
    [
        (
            "grpc+tls://h:1",
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "--ca",
        ),
        ("grpc+tls://h:1", "error reading server preface: EOF", "--cert"),
    ],
)
def test_what_goes_wrong_with_certificates_is_told_with_the_option_for_it(
    uri: str, said: str, hint: str
) -> None:
    error = to_error(
        f'IO: [FlightSQL] connection error: desc = "{said}" (Unavailable; Prepare). Vendor code: 14', uri
    )
    assert error.code == "UNREACHABLE"
    assert hint in error.hint
