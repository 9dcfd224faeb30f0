"""Prints the names of a stage's secrets that must have a value and have none yet, or `none` when the stage has no secrets
at all.

Arguments: the stage and its region.

Values are neither printed nor fetched: Secrets Manager lists which secret has a current version.
"""

import sys

import boto3

stage, region = sys.argv[1:]
prefix = f"oslira/{stage}/"
client = boto3.client("secretsmanager", region_name=region)
# Without a value, they count as not used.
optional = {prefix + "ai-gateway-token"}
found = False
for page in client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [prefix]}]):
    for secret in page["SecretList"]:
        found = True
        stages = secret.get("SecretVersionsToStages") or {}
        if not any("AWSCURRENT" in labels for labels in stages.values()):
            if secret["Name"] not in optional:
                print(secret["Name"])
if not found:
    print("none")
