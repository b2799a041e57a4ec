"""Fixes of the object store's errors, chosen by the error itself."""

from __future__ import annotations

from botocore.exceptions import ClientError, NoCredentialsError, SSLError

from cli.checkup.clock import FIX as FIX_CLOCK

RIGHTS = "give the key read, write, delete and list rights on the bucket"
KEYS = "check TCAN_S3_ACCESS_KEY and TCAN_S3_SECRET_KEY"
SERVER = (
    "start the store, or see its log if it runs, and check TCAN_S3_ENDPOINT_URL, "
    "TCAN_S3_TIMEOUT_S and the network"
)
ABILITIES = "the store lacks this operation of S3: update it, or use another store"
BUCKET = "create it, or run tcan doctor --mend"
REGION = "set TCAN_S3_REGION to the region of the bucket"
ISSUER = (
    "set TCAN_S3_CA to a PEM file of the certificate's issuer, and TCAN_S3_ENDPOINT_URL to the "
    "name in the certificate"
)
FOLDER = "give this user write access to the folder, and check that its disk has space"
BY_CODE = {
    "RequestTimeTooSkewed": FIX_CLOCK,
    "InvalidAccessKeyId": KEYS,
    "SignatureDoesNotMatch": KEYS,
    "NoSuchBucket": BUCKET,
    "PermanentRedirect": REGION,
    "AuthorizationHeaderMalformed": REGION,
    "NotImplemented": ABILITIES,
    "MethodNotAllowed": ABILITIES,
}
BY_STATUS = {301: REGION, 401: RIGHTS, 403: RIGHTS, 404: BUCKET, 405: ABILITIES, 501: ABILITIES}


def status_fix(status: int) -> str:
    """Return the fix for a status of an S3 server."""
    return BY_STATUS.get(status, SERVER)


def store_fix(error: BaseException) -> str:
    """Return the fix for an error of boto3 or of a folder, or of ours that was raised from one."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        # A response to HEAD has no body: its status is the code.
        return BY_CODE.get(code) or status_fix(status)
    if isinstance(error, NoCredentialsError):
        return KEYS
    if isinstance(error, SSLError):
        return ISSUER
    if isinstance(error, OSError):
        return FOLDER
    return SERVER if error.__cause__ is None else store_fix(error.__cause__)
