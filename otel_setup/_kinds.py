# SPDX-License-Identifier: Apache-2.0
"""What the name of an attribute says about its value: the rules that hide secrets go by it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Kind(Enum):
    """What the name of an attribute says about its value."""

    TEXT = 0
    HIDDEN = 1
    SQL = 2
    PATH = 3
    QUERY = 4
    COMMAND = 5
    #: A bucket, and behind a slash the key of an object in it.
    OBJECT = 6
    SHOWN = 7


#: Names whose values are not plain text.
KINDS: Mapping[str, Kind] = {
    "aws.s3.key": Kind.HIDDEN,
    "aws.s3.copy_source": Kind.OBJECT,
    "aws.s3.delete": Kind.HIDDEN,
    # By it a storage's support finds the request; it only looks like a secret.
    "aws.extended_request_id": Kind.SHOWN,
    "db.statement": Kind.SQL,
    "db.query.text": Kind.SQL,
    "http.target": Kind.PATH,
    "url.path": Kind.PATH,
    "url.query": Kind.QUERY,
    "process.command_args": Kind.COMMAND,
    "process.command_line": Kind.COMMAND,
}
#: Names whose values have keys of objects, which may be shown to who asks for them.
S3_KEYS = ("aws.s3.key", "aws.s3.copy_source")
#: How the names of parameters of queries begin.
PARAMETERS = ("db.query.parameter", "db.operation.parameter", "db.statement.parameters")
