"""Pictures in an S3 bucket; credentials are those that the AWS SDK finds by itself.

Under Greengrass that is the token-exchange service, which the nucleus names in the environment
(AWS_CONTAINER_CREDENTIALS_FULL_URI); they are fetched anew before they end.
"""

from pathlib import Path
from typing import Any

from publisher.configuration import S3Configuration
from sightline.errors import EvidenceError

MIB = 1024 * 1024
CONTENT_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}
ERROR_EXPLANATIONS = {
    "AccessDenied": "access is denied: the station's role needs s3:PutObject on",
    "AllAccessDisabled": "access is denied: all access is disabled to",
    "NoSuchBucket": "there is no such bucket:",
    "InvalidAccessKeyId": "the credentials are not known to",
    "SignatureDoesNotMatch": "the credentials are wrong for",
    "ExpiredToken": "the credentials have expired for",
    "RequestTimeTooSkewed": "the station's clock is too wrong for",
}


class S3EvidenceStore:
    """One client, made with the first picture; each request is repeated with back-off by the SDK."""

    def __init__(self, configuration: S3Configuration) -> None:
        self._configuration = configuration
        self._client: Any = None
        self._transfer: Any = None

    def put(self, key: str, path: Path) -> None:
        """Store the file under PREFIX + KEY, large ones in parts, whole or not at all; EvidenceError."""
        import boto3.exceptions  # late: a second to load, and only where this store is chosen
        import botocore.exceptions

        bucket, name = self._configuration.bucket, self._configuration.prefix + key
        extra = {"ContentType": CONTENT_TYPES.get(path.suffix, "application/octet-stream")}
        if self._configuration.bucket_owner:
            extra["ExpectedBucketOwner"] = self._configuration.bucket_owner
        try:
            client = self._create_s3_client()
            client.upload_file(str(path), bucket, name, ExtraArgs=extra, Config=self._transfer)
        except boto3.exceptions.S3UploadFailedError as error:
            raise EvidenceError(_explain_error(bucket, name, error.__context__ or error)) from error
        except botocore.exceptions.NoCredentialsError as error:
            self._client = None  # a client that began without credentials looks for none later
            raise EvidenceError(_explain_error(bucket, name, error)) from error
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise EvidenceError(_explain_error(bucket, name, error)) from error
        except ValueError as error:  # an address that the SDK does not take
            raise EvidenceError(_explain_error(bucket, name, error)) from error
        except OSError as error:
            raise EvidenceError(f"{name} cannot be read from the spool: {error}") from error

    def _create_s3_client(self) -> Any:
        if self._client is None:
            import boto3
            from boto3.s3.transfer import TransferConfig
            from botocore.config import Config

            configuration = self._configuration
            size = configuration.multipart_mib * MIB
            # the uploader is one thread in the background; more of them would take time from parts
            self._transfer = TransferConfig(
                multipart_threshold=size, multipart_chunksize=size, use_threads=False
            )
            self._client = boto3.session.Session().client(
                "s3",
                region_name=configuration.region,
                endpoint_url=configuration.endpoint_url,
                config=Config(
                    connect_timeout=configuration.connect_timeout_s,
                    read_timeout=configuration.read_timeout_s,
                    retries={"mode": "standard", "total_max_attempts": configuration.attempts},
                    # other servers than AWS seldom answer to BUCKET.HOST
                    s3={"addressing_style": "path" if configuration.endpoint_url else "auto"},
                ),
            )
        return self._client


def _explain_error(bucket: str, name: str, error: BaseException) -> str:
    place = f"s3://{bucket}/{name}"
    answer = getattr(error, "response", None)
    if answer is None:
        return f"{place} is not stored: {type(error).__name__}: {error}"
    code = answer.get("Error", {}).get("Code", "")
    if code in ERROR_EXPLANATIONS:
        return f"{place} is not stored: {ERROR_EXPLANATIONS[code]} {place} ({code})"
    return f"{place} is not stored: {error}"
