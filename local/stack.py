"""The unchanged template.yaml, deployed to a local AWS with the ordinary SAM CLI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from local import environment, stripe, tools
from local.console import step
from local.paths import SAM_BIN, SAM_CONFIG
from local.processes import run

NAME = "registrar"
SENDER = "registrar@example.com"
_FUNCTION_OUTPUTS = (
    "EnrollFunctionName",
    "EmailWorkerFunctionName",
    "EmailFeedbackFunctionName",
    "HoldWatchFunctionName",
    "ResumerFunctionName",
)
_BATCHED = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:SendMessage")


@dataclass(frozen=True)
class Credentials:
    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True)
class Stack:
    """What a client of a deployed stack needs to know. `write` hands it to other programs as JSON."""

    endpoint: str
    region: str
    api_url: str
    outputs: dict[str, str]
    root: Credentials
    # May do what CallerPolicy says, what OperatorPolicy says, and what EmailOperatorPolicy says.
    caller: Credentials
    operator: Credentials
    email_operator: Credentials
    # What the functions are configured with.
    function_environment: dict[str, str]

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=2))

    def write_env_file(self, file: Path) -> None:
        """For a function that runs outside of the local AWS and uses it, as under `cargo lambda watch`."""
        variables = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.root.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.root.secret_access_key,
            **self.function_environment,
        }
        file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))


def deploy(endpoint: str, template: Path, parameters: Mapping[str, str], directory: Path) -> Stack:
    """Deploys what `build` built."""
    aws = _Aws(endpoint)
    overrides = {
        "SenderAddress": SENDER,
        "Architecture": tools.architecture(),
        # The emulator speaks plain HTTP.
        "RequireTls": "false",
        "StripeSecretArn": aws.create_secret("stripe", stripe.secret()),
        **parameters,
    }
    command: list[str | Path] = [SAM_BIN / "sam", "deploy", "--template-file", template, "--config-file", SAM_CONFIG]
    command += ["--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items())]
    with step(f"deploying template.yaml as stack `{NAME}`"):
        run(command, environment.for_clients(endpoint), "sam deploy", directory / "sam-deploy.log")
        outputs = aws.outputs()
        functions = [outputs[name] for name in _FUNCTION_OUTPUTS]
        aws.make_concurrency_numeric(outputs["EmailWorkerFunctionName"])
        for function in functions:
            aws.adapt_policies(function)
        return Stack(
            endpoint=endpoint,
            region=environment.REGION,
            api_url=_reachable(outputs["ApiUrl"], endpoint),
            outputs=outputs,
            root=Credentials(environment.ROOT_KEY, environment.ROOT_SECRET),
            caller=aws.create_user("caller", outputs["CallerPolicyArn"]),
            operator=aws.create_user("operator", outputs["OperatorPolicyArn"]),
            email_operator=aws.create_user("email-operator", outputs["EmailOperatorPolicyArn"]),
            function_environment={k: v for function in functions for k, v in aws.environment(function).items()},
        )


def _reachable(api_url: str, endpoint: str) -> str:
    """The API under an address that every client resolves: ID.execute-api.localhost is none."""
    api_id = urlsplit(api_url).netloc.split(".")[0]
    return f"{endpoint}/_aws/execute-api/{api_id}"


def _adapted_document(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "Statement": [_adapted(statement) for statement in document["Statement"]]}


def _adapted(statement: dict[str, Any]) -> dict[str, Any]:
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    # AWS has no permissions for batches of their own; the emulator asks for them.
    batched = [f"{action}Batch" for action in actions if action in _BATCHED]
    # AWS asks for the identity's permission to send; the emulator for everything's.
    resource = "*" if "ses:SendEmail" in actions else statement["Resource"]
    return {**statement, "Action": [*actions, *batched], "Resource": resource}


class _Aws:
    """What the tool does through the local AWS's API, after a deployment."""

    def __init__(self, endpoint: str) -> None:
        session = boto3.Session(environment.ROOT_KEY, environment.ROOT_SECRET, region_name=environment.REGION)

        def client(service: str) -> Any:
            return session.client(service, endpoint_url=endpoint)

        self._cloudformation, self._iam, self._lambda = client("cloudformation"), client("iam"), client("lambda")
        self._secrets = client("secretsmanager")

    def outputs(self) -> dict[str, str]:
        (stack,) = self._cloudformation.describe_stacks(StackName=NAME)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def environment(self, function: str) -> dict[str, str]:
        variables: dict[str, str] = self._configuration(function)["Environment"]["Variables"]
        return variables

    def _configuration(self, function: str) -> dict[str, Any]:
        configuration: dict[str, Any] = self._lambda.get_function_configuration(FunctionName=function)
        return configuration

    def make_concurrency_numeric(self, worker: str) -> None:
        """Sets again, as the numbers they are, two that came through a parameter.

        The emulator keeps them as text, cannot compare them, and so delivers no message.
        """
        concurrency = int(self.environment(worker)["WORKER_CONCURRENCY"])
        self._lambda.put_function_concurrency(FunctionName=worker, ReservedConcurrentExecutions=concurrency)
        (source,) = self._lambda.list_event_source_mappings(FunctionName=worker)["EventSourceMappings"]
        self._lambda.update_event_source_mapping(UUID=source["UUID"], ScalingConfig={"MaximumConcurrency": concurrency})

    def adapt_policies(self, function: str) -> None:
        """Rewrites the function's policy to mean to the emulator what it means to AWS. What the template does not
        grant is still not granted."""
        role = self._configuration(function)["Role"].rsplit("/", 1)[-1]
        for name in self._iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            adapted = json.dumps(_adapted_document(document))
            self._iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=adapted)

    def create_secret(self, name: str, text: str) -> str:
        return self._secrets.create_secret(Name=name, SecretString=text)["ARN"]

    def create_user(self, name: str, policy: str) -> Credentials:
        """A user who has the managed policy, adapted as those of the functions are, and nothing else."""
        version = self._iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
        document = self._iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]
        adapted = json.dumps(_adapted_document(document))
        self._iam.create_policy_version(PolicyArn=policy, PolicyDocument=adapted, SetAsDefault=True)
        self._iam.create_user(UserName=name)
        self._iam.attach_user_policy(UserName=name, PolicyArn=policy)
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])
