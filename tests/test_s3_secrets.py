# SPDX-License-Identifier: Apache-2.0
"""What a program sends about S3 has no secrets in it, and keys of objects only if they may be."""

from __future__ import annotations

import pytest

from tests.otlp_sink import Sink
from tests.programs import free_port, run
from tests.storage_server import StorageServer

pytestmark = pytest.mark.stack

_PROGRAM = """
import contextlib, io, logging, os, sys, urllib.parse
import boto3, httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

bucket = os.environ["BUCKET"]
key = "customers/ivanov.obj"
client = boto3.client("s3", endpoint_url=os.environ["URL"])
client.put_object(Bucket=bucket, Key=key, Body=b"x" * 1000, Metadata={"owner": "ivanov"})
client.get_object(Bucket=bucket, Key=key)["Body"].read()
client.upload_fileobj(io.BytesIO(b"x" * (9 << 20)), bucket, key)
client.download_fileobj(bucket, key, io.BytesIO())
client.copy({"Bucket": bucket, "Key": key}, bucket, key + ".copy")
client.list_objects_v2(Bucket=bucket, Prefix="customers/iv")
client.delete_object(Bucket=bucket, Key=key)
for ask in (client.head_object, client.get_object):
    with contextlib.suppress(ClientError):
        ask(Bucket=bucket, Key=key)
with contextlib.suppress(BotoCoreError):
    client.put_object(Bucket=bucket, Key=key, Body=object())
once = Config(retries={"total_max_attempts": 1})
with contextlib.suppress(BotoCoreError):
    boto3.client("s3", endpoint_url=os.environ["DEAD"], config=once).get_object(
        Bucket=bucket, Key=key
    )

# Whoever has this address has the object.
client.put_object(Bucket=bucket, Key="shared", Body=b"x")
signed = Config(signature_version="s3v4")
for made in (client, boto3.client("s3", endpoint_url=os.environ["URL"], config=signed)):
    url = made.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "shared"})
    # The storage does not know the older way to sign, which is refused.
    assert httpx.get(url).is_success is (made is not client)
    logging.getLogger("shop").warning("the model is at %s", url)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    for name in ("X-Amz-Signature", "X-Amz-Credential", "Signature"):
        print("secret", *query.get(name, ()))
"""


@pytest.mark.parametrize("keys", ["hide", "show"])
def test_no_secrets_leave_the_program_and_keys_only_if_they_may(
    storage: StorageServer, sink: Sink, keys: str
) -> None:
    """Spans, metrics and logs of all ways to use S3 have no signature, and keys if asked to."""
    bucket = storage.bucket()
    ran = run(
        _PROGRAM,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_SERVICE_NAME="shop",
        OTEL_SETUP_S3_KEYS=keys,
        URL=storage.url,
        DEAD=f"http://127.0.0.1:{free_port()}",
        BUCKET=bucket,
        **storage.variables,
    )

    assert ran.returncode == 0, ran.stderr
    printed = [line.split()[1:] for line in ran.stdout.splitlines() if line.startswith("secret")]
    secrets = [value for values in printed for value in values]
    assert len(secrets) >= 2
    sent = b"".join(body for _path, body in sink.raw)
    assert b"aws.s3.client.io" in sent
    assert b"the model is at" in sent
    assert bucket.encode() in sent
    assert [secret for secret in (*secrets, storage.secret) if secret.encode() in sent] == []
    assert (b"customers/ivanov.obj" in sent) is (keys == "show")
    assert (b"ivanov" in sent) is (keys == "show")
