"""The unchanged template.yaml, deployed to a local AWS with the ordinary SAM CLI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3

from local import environment, quirks, stripe, tools
from local.browsers import CLIENT_ID, Addresses
from local.console import Problem, step
from local.paths import SAM_BIN, SAM_CONFIG, SCRATCH
from local.processes import run

NAME = "registrar"
SENDER = "registrar@example.com"
EVENT_BUS = "platform"


@dataclass(frozen=True)
class Credentials:
    access_key_id: str
    secret_access_key: str


ROOT = Credentials(environment.ROOT_KEY, environment.ROOT_SECRET)


@dataclass(frozen=True)
class Stack:
    """A deployed stack, as its clients see it. `write` passes it to other programs as JSON."""

    endpoint: str
    region: str
    api_url: str
    # Of the students' tokens: who signs them, and for whom. Then the only page of another origin that may call the API.
    issuer: str
    audience: str
    page: str
    outputs: dict[str, str]
    root: Credentials
    # Users with CallerPolicy, with OperatorPolicy, with EmailOperatorPolicy, with PaymentsOperatorPolicy, with
    # PrivacyOperatorPolicy, and with OperatorReadPolicy.
    caller: Credentials
    operator: Credentials
    email_operator: Credentials
    payments_operator: Credentials
    privacy_operator: Credentials
    reader: Credentials
    # The environment variables of all functions together.
    function_environment: dict[str, str]

    @classmethod
    def read(cls, file: Path) -> Stack:
        """What `write` wrote."""
        fields = json.loads(file.read_text())
        operators = ("operator", "email_operator", "payments_operator", "privacy_operator", "reader")
        names = ("root", "caller", *operators)
        users = {name: Credentials(**fields[name]) for name in names}
        return cls(**{**fields, **users})

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


def deploy(
    endpoint: str, template: Path, parameters: Mapping[str, str], addresses: Addresses, directory: Path
) -> Stack:
    """Deploys a built template. Students may use it too, unless `parameters` has another AuthMode."""
    aws = _Aws(endpoint)
    overrides = {
        "SenderAddress": SENDER,
        "Architecture": tools.architecture(),
        "StripeSecretArn": aws.create_secret("stripe", stripe.secret()),
        "EventBusName": aws.create_event_bus(EVENT_BUS),
        "StripeEventBusName": aws.create_event_bus(stripe.EVENT_BUS),
        **quirks.plain_http(),
        **quirks.no_composite_alarms(),
        **addresses.parameters(),
        **parameters,
    }
    command: list[str | Path] = [SAM_BIN / "sam", "deploy", "--template-file", template, "--config-file", SAM_CONFIG]
    command += ["--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items())]
    with step(f"deploying template.yaml as stack `{NAME}`"):
        run(command, environment.for_clients(endpoint), "sam deploy", directory / "sam-deploy.log")
        outputs = aws.outputs()
        functions = {name: aws.environment(name) for name in aws.resources("AWS::Lambda::Function")}
        aws.set_concurrency(outputs["EmailWorkerFunctionName"])
        for role in aws.resources("AWS::IAM::Role"):
            aws.adapt_policies(role)
        return Stack(
            endpoint=endpoint,
            region=environment.REGION,
            api_url=quirks.reachable_url(outputs["ApiUrl"], endpoint),
            issuer=addresses.issuer,
            audience=CLIENT_ID,
            page=addresses.page,
            outputs=outputs,
            root=ROOT,
            caller=aws.create_user("caller", outputs["CallerPolicyArn"]),
            operator=aws.create_user("operator", outputs["OperatorPolicyArn"]),
            email_operator=aws.create_user("email-operator", outputs["EmailOperatorPolicyArn"]),
            payments_operator=aws.create_user("payments-operator", outputs["PaymentsOperatorPolicyArn"]),
            privacy_operator=aws.create_user("privacy-operator", outputs["PrivacyOperatorPolicyArn"]),
            reader=aws.create_user("reader", outputs["OperatorReadPolicyArn"]),
            function_environment={name: value for each in functions.values() for name, value in each.items()},
        )


def of_make_run(port: int) -> Stack:
    """The stack of `make run` on this port."""
    file = SCRATCH / f"up-{port}" / "stack.json"
    if not file.exists():
        raise Problem(f"nothing runs on port {port}: start `make run` first, in another terminal")
    return Stack.read(file)


def client(service: str, endpoint: str, who: Credentials) -> Any:
    """A client of one of the local AWS's services."""
    # A session accepts the name of any service; only the type stubs require a literal.
    session: Any = boto3.Session(who.access_key_id, who.secret_access_key, region_name=environment.REGION)
    return session.client(service, endpoint_url=endpoint)


class _Aws:
    """The tool's calls of the local AWS, before and after a deployment."""

    def __init__(self, endpoint: str) -> None:
        self._cloudformation = client("cloudformation", endpoint, ROOT)
        self._events = client("events", endpoint, ROOT)
        self._iam = client("iam", endpoint, ROOT)
        self._lambda = client("lambda", endpoint, ROOT)
        self._secrets = client("secretsmanager", endpoint, ROOT)

    def outputs(self) -> dict[str, str]:
        (stack,) = self._cloudformation.describe_stacks(StackName=NAME)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def resources(self, of_type: str) -> list[str]:
        """The physical ids of the stack's resources of that type."""
        resources = self._cloudformation.describe_stack_resources(StackName=NAME)["StackResources"]
        return [each["PhysicalResourceId"] for each in resources if each["ResourceType"] == of_type]

    def environment(self, function: str) -> dict[str, str]:
        configuration = self._lambda.get_function_configuration(FunctionName=function)
        # A function without variables has no environment.
        variables: dict[str, str] = configuration.get("Environment", {}).get("Variables", {})
        return variables

    def set_concurrency(self, worker: str) -> None:
        concurrency = int(self.environment(worker)["WORKER_CONCURRENCY"])
        quirks.reserved_concurrency(self._lambda, worker, concurrency)
        quirks.maximum_concurrency(self._lambda, worker, concurrency)

    def adapt_policies(self, role: str) -> None:
        for name in self._iam.list_role_policies(RoleName=role)["PolicyNames"]:
            policy = self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            adapted = json.dumps(quirks.document(policy))
            self._iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=adapted)

    def create_secret(self, name: str, text: str) -> str:
        arn: str = self._secrets.create_secret(Name=name, SecretString=text)["ARN"]
        return arn

    def create_event_bus(self, name: str) -> str:
        self._events.create_event_bus(Name=name)
        return name

    def create_user(self, name: str, policy: str) -> Credentials:
        """A user with this managed policy and nothing else."""
        version = self._iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
        document = self._iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]
        adapted = json.dumps(quirks.document(document))
        self._iam.create_policy_version(PolicyArn=policy, PolicyDocument=adapted, SetAsDefault=True)
        self._iam.create_user(UserName=name)
        self._iam.attach_user_policy(UserName=name, PolicyArn=policy)
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])
