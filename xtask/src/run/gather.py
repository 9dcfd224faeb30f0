"""Gathers what AWS and the system database know about runs: `python3 -I - STACK PARTS RUN_ID [RUN_ID ...]`.

STACK is the name of a CloudFormation stack. PARTS is `money`, which is what the database says, or `whole`. AWS is found as by
any AWS tool: by credentials, region and endpoint of the environment.

JSON on standard output: `{"found": {"database": ..., ...}}`, or `{"unreachable": "a sentence"}`. Each part is in the same
form, so that an operator still sees the logs while the database is down.

The database's URL is read from its secret and stays in this process: nothing here prints it, nor what an error says of it.
"""

import base64
import contextlib
import datetime
import json
import re
import ssl
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import boto3
import dateutil.parser
import pg8000.native
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})
# The machines that have runs, by the names that the report gives them.
MACHINES = {"AnalysisStateMachine": "analysis", "AnonymousAnalysisStateMachine": "anonymous-analysis"}
# A message about a stopped run may come for five hours after its end.
LATE = datetime.timedelta(hours=6)
EARLY = datetime.timedelta(minutes=1)
# More lines of one Lambda than anyone reads.
MOST_LINES = 1000

SQL = """
select pg_catalog.jsonb_build_object(
  'run', (
    select pg_catalog.jsonb_build_object(
        'status', r.status, 'username', r.username, 'tier', r.tier, 'accountId', r.account_id,
        'businessProfileId', r.business_profile_id, 'requestedBy', r.requested_by,
        'creditsCharged', r.credits_charged, 'failureCode', r.failure_code, 'failureMessage', r.failure_message,
        'createdAt', r.created_at, 'finishedAt', r.finished_at)
      from public.runs r where r.run_id = :id),
  'analysis', (
    select pg_catalog.jsonb_build_object(
        'leadId', a.lead_id, 'score', a.score, 'confidence', a.confidence, 'dataAsOf', a.data_as_of,
        'cacheHit', a.cache_hit, 'durationMs', a.duration_ms)
      from public.analyses a where a.run_id = :id),
  'ledger', (
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'kind', t.kind, 'amount', t.amount, 'reason', t.reason, 'createdAt', t.created_at)
        order by t.created_at, t.credit_transaction_id), '[]')
      from public.credit_transactions t where t.run_id = :id),
  'calls', (
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'task', u.task, 'provider', u.provider, 'model', u.model, 'inputTokens', u.input_tokens,
        'cachedTokens', u.cached_tokens, 'outputTokens', u.output_tokens, 'costUsd', u.cost_usd,
        'durationMs', u.duration_ms, 'isFallback', u.is_fallback, 'isCacheHit', u.is_cache_hit,
        'outcome', u.outcome, 'createdAt', u.created_at)
        order by u.created_at, u.ai_usage_log_id), '[]')
      from public.ai_usage_logs u where u.run_id = :id)
)::text
"""


class Unreachable(Exception):
    """Why a part could not be read, as a sentence that holds no secret."""


def part(read):
    """What `read` answers, or why it could not."""
    try:
        return {"found": read()}
    except Unreachable as why:
        return {"unreachable": str(why)}
    except (BotoCoreError, ClientError) as error:
        return {"unreachable": str(error)}


def client(service):
    return boto3.client(service, config=CONFIG)


def iso(time):
    return time.astimezone(datetime.timezone.utc).isoformat() if time else None


class Stack:
    """The resources and parameters of a deployed stack."""

    def __init__(self, name):
        cloudformation = client("cloudformation")
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        self.parameters = {it["ParameterKey"]: it["ParameterValue"] for it in stack.get("Parameters", [])}
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        self.resources = {it["LogicalResourceId"]: it for page in pages for it in page["StackResourceSummaries"]}

    def id(self, logical_id):
        if logical_id not in self.resources:
            raise Unreachable(f"the stack has no {logical_id}: it was deployed from another template")
        return self.resources[logical_id]["PhysicalResourceId"]

    def functions(self):
        """Physical names by logical ones."""
        resources = self.resources.items()
        return {
            name: it["PhysicalResourceId"] for name, it in resources if it["ResourceType"] == "AWS::Lambda::Function"
        }


def connect(stack):
    """The system database, as its role sees it: in one transaction, which only reads."""
    secret = client("secretsmanager").get_secret_value(SecretId=stack.id("SystemDatabaseSecret"))
    context = ssl.create_default_context()
    # A root may lack what RFC 5280 wants of it, as roots of before do; the Lambdas' TLS does not ask for it either.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    root = stack.parameters.get("DatabaseCaCertificate")
    if root:
        context.load_verify_locations(cadata=base64.b64decode(root))
    try:
        url = urllib.parse.urlsplit(secret["SecretString"])
        unquoted = urllib.parse.unquote
        if url.scheme not in ("postgres", "postgresql") or not url.hostname:
            raise ValueError
        where = {
            "host": url.hostname,
            "port": url.port or 5432,
            "user": unquoted(url.username or ""),
            "password": unquoted(url.password or ""),
            "database": unquoted(url.path.lstrip("/")) or "postgres",
        }
    except (KeyError, ValueError):
        # Its own words may quote the URL.
        raise Unreachable("the secret SystemDatabaseSecret is not a connection URL") from None
    try:
        connection = pg8000.native.Connection(
            **where, ssl_context=context, timeout=10, application_name="oslira-operator"
        )
    except (pg8000.exceptions.Error, OSError, UnicodeError) as error:
        raise not_let_in(error) from None
    try:
        # The pooler's connections are shared: what others set on this one must not matter.
        connection.run("begin isolation level repeatable read read only")
        connection.run("set local role service_role")
        connection.run("set local search_path = pg_catalog, pg_temp")
        connection.run("set local row_security = on")
        connection.run("set local timezone = 'UTC'")
        connection.run("set local datestyle = 'ISO, YMD'")
        connection.run("set local statement_timeout = '10s'")
        return connection
    except (pg8000.exceptions.Error, OSError, UnicodeError) as error:
        close(connection)
        raise not_let_in(error) from None


def close(connection):
    # One that broke fails once more as it says goodbye.
    with contextlib.suppress(pg8000.exceptions.Error, OSError):
        connection.close()


def not_let_in(error):
    return Unreachable(f"the database does not let us in: {told(error)}")


def told(error):
    """What Postgres or the network says. Where it was looked for is left out: a password that was not encoded may be in it."""
    if isinstance(error, pg8000.exceptions.DatabaseError) and isinstance(error.args[0], dict):
        return error.args[0].get("M", "an error without a message")
    if isinstance(error, UnicodeError):
        # It quotes what it could not encode, and that may be a piece of the password.
        return "a name or a text cannot be encoded"
    return str(error.__cause__ or error)


def database(stack, run_ids):
    connection = connect(stack)
    try:
        found = {run_id: json.loads(connection.run(SQL, id=run_id)[0][0]) for run_id in run_ids}
        # The pooler may then give the connection to the next.
        connection.run("rollback")
        return found
    except (pg8000.exceptions.Error, OSError, UnicodeError) as error:
        raise Unreachable(f"the database did not answer: {told(error)}") from None
    finally:
        close(connection)


def progress(stack, run_id):
    """The run's progress item, while there is one."""
    answer = client("dynamodb").get_item(TableName=stack.id("RunProgressTable"), Key={"runId": {"S": run_id}})
    item = answer.get("Item")
    if item is None:
        return None

    def time(name):
        at = item.get(name, {}).get("N")
        return iso(datetime.datetime.fromtimestamp(int(at) / 1000, datetime.timezone.utc)) if at else None

    reached = [(name.removeprefix("reached_"), time(name)) for name in item if name.startswith("reached_")]
    return {
        "accountId": item.get("accountId", {}).get("S"),
        "status": item.get("status", {}).get("S"),
        "progress": int(item.get("progress", {}).get("N", 0)),
        "step": item.get("step", {}).get("S"),
        "cancelRequested": item.get("cancelRequested", {}).get("BOOL", False),
        "createdAt": time("createdAt"),
        "updatedAt": time("updatedAt"),
        "reached": [{"status": status, "at": at} for status, at in sorted(reached, key=lambda it: it[1])],
        "failureCode": item.get("failureCode", {}).get("S"),
        "failureReason": item.get("failureReason", {}).get("S"),
    }


def executions(stack, run_id):
    """The executions that bear the run's name, the resumed ones last."""
    found = []
    for logical_id, machine in MACHINES.items():
        prefix = stack.id(logical_id).replace(":stateMachine:", ":execution:")
        for n in range(1, 100):
            execution = one_execution(f"{prefix}:{run_id}" if n == 1 else f"{prefix}:{run_id}-{n}")
            if execution is None:
                break
            found.append({"machine": machine, **execution})
    return found


def one_execution(arn):
    states = client("stepfunctions")
    try:
        it = states.describe_execution(executionArn=arn)
    except states.exceptions.ExecutionDoesNotExist:
        return None
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn, includeExecutionData=False)
    return {
        "name": it["name"],
        "status": it["status"],
        "startedAt": iso(it["startDate"]),
        "stoppedAt": iso(it.get("stopDate")),
        "error": it.get("error"),
        "cause": it.get("cause"),
        "events": [event(it) for page in pages for it in page["events"]],
    }


def event(it):
    details = next((value for name, value in it.items() if name.endswith("Details")), {})
    return {
        "id": it["id"],
        "previous": it.get("previousEventId"),
        "at": iso(it["timestamp"]),
        "type": it["type"],
        "state": details.get("name"),
        "error": details.get("error"),
    }


def logs(stack, run_id, begin, end):
    """The lines of all Lambdas that name the run, oldest first."""
    client_of_all = client("logs")

    def of(function):
        pages = client_of_all.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{function}",
            filterPattern=f'"{run_id}"',
            startTime=int(begin.timestamp() * 1000),
            endTime=int(end.timestamp() * 1000),
        )
        lines = []
        try:
            for page in pages:
                # What the filter lets through besides, as the emulator's does, is not shown.
                lines += [line for line in page["events"] if run_id in line["message"]]
                if len(lines) > MOST_LINES:
                    break
        except client_of_all.exceptions.ResourceNotFoundException:
            # A Lambda that was never called has no log.
            pass
        return lines

    functions = stack.functions()
    # Few at a time: the quota is some calls a second for the whole account.
    with ThreadPoolExecutor(4) as pool:
        of_each = dict(zip(functions, pool.map(of, functions.values())))
    lines = sorted(
        (line["timestamp"], kebab_case(name), line["message"].strip())
        for name, lines in of_each.items()
        for line in lines[:MOST_LINES]
    )
    return {
        "lines": [{"function": name, "text": text} for _, name, text in lines],
        "cutOff": [kebab_case(name) for name, lines in of_each.items() if len(lines) > MOST_LINES],
    }


def kebab_case(pascal_case):
    """`StartAnalysis` is `start-analysis` everywhere but in the template."""
    return re.sub("(?<!^)(?=[A-Z])", "-", pascal_case).lower()


def moments(found):
    """When anything is known to have happened, and whether the run has ended."""
    run = ((found["database"].get("found") or {}).get("run")) or {}
    item = found["progress"].get("found") or {}
    machines = found["executions"].get("found") or []
    known = [run.get("createdAt"), run.get("finishedAt"), item.get("createdAt"), item.get("updatedAt")]
    known += [at for it in machines for at in (it["startedAt"], it["stoppedAt"])]
    times = [dateutil.parser.isoparse(at) for at in known if at]
    is_under_way = run.get("status") == "pending" or any(it["status"] == "RUNNING" for it in machines)
    return times, is_under_way


def whole(stack, run_id):
    found = {
        "database": part(lambda: database(stack, [run_id])[run_id]),
        "progress": part(lambda: progress(stack, run_id)),
        "executions": part(lambda: executions(stack, run_id)),
    }
    times, is_under_way = moments(found)
    if not times:
        return {**found, "logs": {"found": {"lines": [], "cutOff": []}}}
    now = datetime.datetime.now(datetime.timezone.utc)
    end = now if is_under_way else min(now, max(times) + LATE)
    return {**found, "logs": part(lambda: logs(stack, run_id, min(times) - EARLY, end + EARLY))}


def gathered(stack_name, parts, run_ids):
    stack = Stack(stack_name)
    if parts == "money":
        return {"database": part(lambda: database(stack, run_ids))}
    [run_id] = run_ids
    return whole(stack, run_id)


if __name__ == "__main__":
    name, parts, *run_ids = sys.argv[1:]
    json.dump(part(lambda: gathered(name, parts, run_ids)), sys.stdout)
