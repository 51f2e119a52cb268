"""Make the bucket of the tracking server, unless it is there: run once by compose.yaml before MLflow starts.

BUCKET=mlflow MLFLOW_S3_ENDPOINT_URL=http://objects:9000 AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… \\
    python create_bucket.py
"""

from __future__ import annotations

import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def main() -> None:
    store = boto3.client(
        "s3",
        endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"],
        config=Config(s3={"addressing_style": "path"}),
    )
    bucket = os.environ["BUCKET"]
    try:
        store.head_bucket(Bucket=bucket)
    except ClientError as problem:
        if problem.response["ResponseMetadata"]["HTTPStatusCode"] != 404:  # refused is not missing
            raise
        store.create_bucket(Bucket=bucket)
    print(f"s3://{bucket} is there")


if __name__ == "__main__":
    main()
