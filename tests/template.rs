//! Checks of template.yaml for mistakes that no local AWS notices.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{collections::BTreeSet, fs};

use email_templates::Language;
use serde_yaml_ng::Value;

/// The routes without an AWS signature: the health check, and the webhook that Stripe signs.
const OPEN: [&str; 2] = ["GET /", "POST /webhooks/stripe"];

fn template() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
    let text = fs::read_to_string(path).unwrap();
    untagged(serde_yaml_ng::from_str(&text).unwrap())
}

/// Rewrites `!Ref X` as `{Ref: X}`, and `!Other X` as `{"Fn::Other": X}`.
fn untagged(value: Value) -> Value {
    match value {
        Value::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            let name = match name.trim_start_matches('!') {
                name @ ("Ref" | "Condition") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            Value::Mapping([(Value::from(name), untagged(tagged.value))].into_iter().collect())
        }
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(untagged).collect()),
        Value::Mapping(entries) => {
            Value::Mapping(entries.into_iter().map(|(key, value)| (key, untagged(value))).collect())
        }
        plain => plain,
    }
}

fn resources<'a>(
    template: &'a Value,
    of_type: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let resources = template["Resources"].as_mapping().unwrap();
    resources
        .iter()
        .filter(move |(_, resource)| resource["Type"] == of_type)
        .map(|(name, resource)| (name.as_str().unwrap(), &resource["Properties"]))
}

fn property<'a>(template: &'a Value, resource: &str, name: &str) -> &'a Value {
    let value = &template["Resources"][resource]["Properties"][name];
    assert!(!value.is_null(), "{resource} has no {name}");
    value
}

fn is_ref(value: &Value, parameter: &str) -> bool {
    value["Ref"] == parameter
}

/// Whether the value is an attribute of that resource, written `Resource.Attribute`.
fn is_attribute(value: &Value, attribute: &str) -> bool {
    value["Fn::GetAtt"] == attribute
}

/// One value or several, as policies allow for actions and resources.
fn each(value: &Value) -> Vec<&Value> {
    value.as_sequence().map_or_else(|| vec![value], |values| values.iter().collect())
}

/// A policy's statements, including the conditional ones.
fn statements(document: &Value) -> Vec<&Value> {
    each(&document["Statement"]).into_iter().map(unconditional).collect()
}

fn unconditional(value: &Value) -> &Value {
    value.get("Fn::If").map_or(value, |branches| &branches[1])
}

fn actions(statement: &Value) -> impl Iterator<Item = &str> {
    each(&statement["Action"]).into_iter().map(|action| action.as_str().unwrap())
}

/// The statements of the one inline policy that each role has.
fn role_statements<'a>(template: &'a Value, role: &str) -> Vec<&'a Value> {
    let policies = property(template, role, "Policies").as_sequence().unwrap();
    policies.iter().flat_map(|policy| statements(&policy["PolicyDocument"])).collect()
}

fn role_actions<'a>(template: &'a Value, role: &str) -> Vec<(&'a str, String)> {
    granted(role_statements(template, role))
}

/// The actions that a managed policy allows.
fn policy_actions<'a>(template: &'a Value, policy: &str) -> Vec<(&'a str, String)> {
    granted(statements(property(template, policy, "PolicyDocument")))
}

/// Each action with its resource, in order.
fn granted(statements: Vec<&Value>) -> Vec<(&str, String)> {
    let mut granted: Vec<_> = statements
        .into_iter()
        .flat_map(|statement| {
            let resource = serde_json::to_string(&statement["Resource"]).unwrap();
            actions(statement).map(move |action| (action, resource.clone()))
        })
        .collect();
    granted.sort();
    granted
}

#[test]
fn default_language_is_one_that_the_templates_are_written_in() {
    let template = template();
    let parameter = &template["Parameters"]["DefaultLanguage"];
    let allowed: Vec<_> = parameter["AllowedValues"].as_sequence().unwrap().iter().collect();
    assert_eq!(allowed, Language::ALL.map(Language::tag));
    assert_eq!(parameter["Default"], "en");
}

#[test]
fn every_route_except_the_open_ones_requires_a_signature() {
    let template = template();
    let routes: Vec<_> = resources(&template, "AWS::ApiGatewayV2::Route").collect();
    assert!(routes.len() > 1);
    for (name, route) in routes {
        let key = route["RouteKey"].as_str().unwrap();
        let expected = match key {
            open if OPEN.contains(&open) => "NONE",
            student if is_of_students(student) => "JWT",
            _ => "AWS_IAM",
        };
        assert_eq!(route["AuthorizationType"], expected, "{name}");
    }
}

fn is_of_students(route_key: &str) -> bool {
    route_key.contains(" /student/")
}

#[test]
fn routes_of_students_exist_only_with_tokens_and_write_no_catalogue() {
    let template = template();
    let routes: Vec<_> = resources(&template, "AWS::ApiGatewayV2::Route")
        .filter(|(_, route)| is_of_students(route["RouteKey"].as_str().unwrap()))
        .collect();
    assert_eq!(routes.len(), 5);
    for (name, route) in routes {
        assert_eq!(template["Resources"][name]["Condition"], "AcceptsTokens", "{name}");
        assert!(is_ref(&route["AuthorizerId"], "StudentAuthorizer"), "{name}");
        let key = route["RouteKey"].as_str().unwrap();
        assert!(key.starts_with("GET ") || key == "POST /student/enrollments", "{key}");
    }
    let authorizer = &template["Resources"]["StudentAuthorizer"];
    assert_eq!(authorizer["Condition"], "AcceptsTokens");
    let tokens = &authorizer["Properties"]["JwtConfiguration"];
    assert!(is_ref(&tokens["Issuer"], "JwtIssuer"));
    assert!(is_ref(&tokens["Audience"]["Fn::Split"][1], "JwtAudience"));
    let rule = &template["Rules"]["TokensHaveAnIssuerAndAnAudience"];
    assert_eq!(rule["RuleCondition"]["Fn::Equals"][1], "JWT");
    let texts = rule["Assertions"].as_sequence().unwrap();
    for (assertion, parameter) in texts.iter().zip(["JwtIssuer", "JwtAudience"]) {
        assert!(assertion["AssertDescription"].as_str().unwrap().starts_with(parameter));
    }
}

#[test]
fn browsers_of_other_origins_are_answered_only_with_tokens_and_without_credentials() {
    let template = template();
    let condition = &template["Conditions"]["HasCorsOrigins"]["Fn::And"];
    assert_eq!(condition[0]["Condition"], "AcceptsTokens");
    let cors = property(&template, "HttpApi", "CorsConfiguration");
    assert_eq!(cors["Fn::If"][0], "HasCorsOrigins");
    assert_eq!(cors["Fn::If"][2]["Ref"], "AWS::NoValue");
    let cors = &cors["Fn::If"][1];
    assert!(is_ref(&cors["AllowOrigins"], "CorsOrigins"));
    assert!(cors["AllowCredentials"].is_null());
    assert_eq!(each(&cors["AllowHeaders"]), ["authorization", "content-type"]);
    assert_eq!(each(&cors["AllowMethods"]), ["GET", "POST"]);
}

#[test]
fn each_signed_route_is_granted_by_one_policy_and_courses_may_be_read_by_both() {
    let template = template();
    let mut granted = Vec::new();
    for policy in ["CallerPolicy", "OperatorPolicy", "PaymentsOperatorPolicy"] {
        for statement in statements(property(&template, policy, "PolicyDocument")) {
            // Each of the others has a test of its whole list.
            if statement["Action"] != "execute-api:Invoke" {
                assert_ne!(policy, "CallerPolicy");
                continue;
            }
            for resource in each(&statement["Resource"]) {
                let arn = resource["Fn::Sub"].as_str().unwrap();
                let (_, route) = arn.split_once("${HttpApi}/$default/").unwrap();
                granted.push((policy, route.to_owned()));
            }
        }
    }
    // Callers read the price that a student agrees to.
    for route in ["GET/courses", "GET/courses/*"] {
        let read_by_callers = ("CallerPolicy", route.to_owned());
        assert!(granted.contains(&read_by_callers));
        granted.retain(|grant| *grant != read_by_callers);
    }
    let mut granted: Vec<_> = granted.into_iter().map(|(_, route)| route).collect();
    let mut signed: Vec<String> = resources(&template, "AWS::ApiGatewayV2::Route")
        .map(|(_, route)| route["RouteKey"].as_str().unwrap())
        .filter(|key| !OPEN.contains(key) && !is_of_students(key))
        .map(|key| key.replace(' ', "").replace("{course_id}", "*"))
        .collect();
    granted.sort();
    signed.sort();
    assert_eq!(granted, signed);
}

/// Whether an IAM pattern covers a text: `*` stands for any characters, a `/` among them.
fn covers(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| covers(after, &rest[at..]))
        }),
    }
}

#[test]
fn no_policy_covers_a_route_of_the_other_by_a_wildcard() {
    let template = template();
    let routes = |policy| -> Vec<String> {
        statements(property(&template, policy, "PolicyDocument"))
            .into_iter()
            .filter(|statement| statement["Action"] == "execute-api:Invoke")
            .flat_map(|statement| each(&statement["Resource"]))
            .map(|resource| resource["Fn::Sub"].as_str().unwrap())
            .map(|arn| arn.split_once("${HttpApi}/$default/").unwrap().1.to_owned())
            .collect()
    };
    let (mut callers, mut operators) = (routes("CallerPolicy"), routes("OperatorPolicy"));
    let payments = routes("PaymentsOperatorPolicy");
    assert_eq!(payments.len(), 2);
    // Both read courses.
    let shared: Vec<_> =
        callers.iter().filter(|route| operators.contains(route)).cloned().collect();
    assert_eq!(shared, ["GET/courses", "GET/courses/*"]);
    callers.retain(|route| !shared.contains(route));
    operators.retain(|route| !shared.contains(route));
    for (granted, others) in [
        (&callers, &operators),
        (&operators, &callers),
        (&callers, &payments),
        (&operators, &payments),
        (&payments, &callers),
        (&payments, &operators),
    ] {
        for pattern in granted {
            let covered = others.iter().find(|route| covers(pattern, &route.replace('*', "id")));
            assert_eq!(covered, None, "{pattern} covers it, because `*` also stands for `/`");
        }
    }
    assert!(covers("GET/courses/*", "GET/courses/id/price"));
    assert!(!covers("GET/courses/*/price", "GET/courses/id"));
}

#[test]
fn reserved_concurrency_is_the_event_sources_maximum_concurrency() {
    let template = template();
    let reserved = property(&template, "EmailWorkerFunction", "ReservedConcurrentExecutions");
    let scaling = property(&template, "EmailEventSource", "ScalingConfig");
    let batch = property(&template, "EmailEventSource", "BatchSize");
    let timeout = property(&template, "EmailWorkerFunction", "Timeout");

    assert_eq!(reserved["Fn::If"][0], "ReservesConcurrency");
    assert!(is_ref(&reserved["Fn::If"][1], "WorkerConcurrency"));
    assert!(is_ref(&scaling["MaximumConcurrency"], "WorkerConcurrency"));
    assert!(is_ref(batch, "WorkerBatchSize") && is_ref(timeout, "WorkerTimeout"));
    let responses = property(&template, "EmailEventSource", "FunctionResponseTypes");
    assert_eq!(responses[0], "ReportBatchItemFailures");
}

#[test]
fn visibility_timeout_is_six_times_each_allowed_worker_timeout() {
    let template = template();
    let timeouts = template["Parameters"]["WorkerTimeout"]["AllowedValues"].as_sequence().unwrap();
    let visibility = template["Mappings"]["VisibilityTimeouts"].as_mapping().unwrap();
    assert_eq!(timeouts.len(), visibility.len());
    for timeout in timeouts {
        let seconds = timeout.as_u64().unwrap();
        assert_eq!(visibility[seconds.to_string().as_str()]["Seconds"], seconds * 6);
    }
    let default = &template["Parameters"]["WorkerTimeout"]["Default"];
    assert!(timeouts.contains(default));
}

#[test]
fn feedback_keeps_up_with_the_largest_plan() {
    // docs/pacing.md, "Cost". SES publishes a send, a delivery and a bounce or complaint of an email.
    let (emails_per_minute, events_per_email) = (100_000, 3);
    // One or two writes, one after the other, of usually less than 10 ms; the events of a batch at the same time.
    let batch_takes_ms = 100;
    let template = template();
    let scaling = property(&template, "EmailFeedbackEventSource", "ScalingConfig");
    let concurrency = scaling["MaximumConcurrency"].as_u64().unwrap();
    let batch = property(&template, "EmailFeedbackEventSource", "BatchSize").as_u64().unwrap();
    let handled_per_minute = concurrency * batch * 60_000 / batch_takes_ms;
    assert!(handled_per_minute >= emails_per_minute * events_per_email, "{handled_per_minute}");
}

#[test]
fn batch_size_above_ten_gets_a_batching_window() {
    let template = template();
    let window = property(&template, "EmailEventSource", "MaximumBatchingWindowInSeconds");
    assert_eq!(window["Fn::If"][0], "BatchesUpTo10");
    assert_eq!((&window["Fn::If"][1], &window["Fn::If"][2]), (&0.into(), &1.into()));
    let sizes = template["Conditions"]["BatchesUpTo10"]["Fn::Or"].as_sequence().unwrap();
    let sizes: BTreeSet<u64> =
        sizes.iter().map(|size| size["Fn::Equals"][1].as_u64().unwrap()).collect();
    assert!(sizes.into_iter().eq(1..=10));
}

/// The ARN of a resource of the template, as `!GetAtt` has it.
fn arn(resource: &str) -> String {
    format!(r#"{{"Fn::GetAtt":"{resource}.Arn"}}"#)
}

/// Lambda writes an invocation's traces with its role. X-Ray has no resources for these actions (Service
/// Authorization Reference, "Actions, resources, and condition keys for AWS X-Ray").
fn traces() -> [(&'static str, String); 2] {
    ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        .map(|action| (action, r#""*""#.to_owned()))
}

/// The actions of a function, and those of its traces, in order.
fn expected_of_function<'a>(pairs: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    let mut actions = expected(pairs);
    actions.extend(traces());
    actions.sort();
    actions
}

/// Actions, each on one resource of the template, in order.
fn expected<'a>(pairs: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    let mut pairs: Vec<_> =
        pairs.iter().map(|(action, resource)| (*action, arn(resource))).collect();
    pairs.sort();
    pairs
}

#[test]
fn enrollment_roles_grant_what_their_functions_call_and_no_more() {
    let template = template();
    let stripe_keys = [
        ("secretsmanager:GetSecretValue", r#"{"Ref":"StripeSecretArn"}"#.to_owned()),
        ("kms:Decrypt", r#""*""#.to_owned()),
    ];

    let mut enroll = expected_of_function(&[
        ("dynamodb:GetItem", "CoursesTable"),
        ("dynamodb:PutItem", "CoursesTable"),
        ("dynamodb:PutItem", "PriceChangesTable"),
        ("dynamodb:GetItem", "SeatsTable"),
        ("dynamodb:UpdateItem", "SeatsTable"),
        ("dynamodb:GetItem", "EnrollmentsTable"),
        ("dynamodb:PutItem", "EnrollmentsTable"),
        ("dynamodb:Query", "EnrollmentsTable"),
        ("dynamodb:UpdateItem", "EnrollmentsTable"),
        ("dynamodb:GetItem", "EmailsTable"),
        ("sqs:SendMessage", "EmailQueue"),
        // Opens a connection before the first request.
        ("sqs:GetQueueAttributes", "EmailQueue"),
        ("logs:CreateLogStream", "EnrollLogGroup"),
        ("logs:PutLogEvents", "EnrollLogGroup"),
    ]);
    enroll.push(("dynamodb:Query", r#"{"Fn::Sub":"${CoursesTable.Arn}/index/state"}"#.to_owned()));
    let roster = r#"{"Fn::Sub":"${EnrollmentsTable.Arn}/index/roster"}"#;
    enroll.push(("dynamodb:Query", roster.to_owned()));
    for action in ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"] {
        enroll.push((action, arn("StripeEventQueue")));
    }
    enroll.extend(stripe_keys.clone());
    enroll.sort();
    assert_eq!(role_actions(&template, "EnrollRole"), enroll);

    let mut resumer = expected_of_function(&[
        ("dynamodb:UpdateItem", "SeatsTable"),
        ("dynamodb:GetItem", "CoursesTable"),
        ("dynamodb:GetItem", "EnrollmentsTable"),
        ("dynamodb:PutItem", "EnrollmentsTable"),
        ("dynamodb:UpdateItem", "EnrollmentsTable"),
        ("dynamodb:GetItem", "EmailsTable"),
        ("sqs:SendMessage", "EmailQueue"),
        ("logs:CreateLogStream", "ResumerLogGroup"),
        ("logs:PutLogEvents", "ResumerLogGroup"),
    ]);
    let index = r#"{"Fn::Sub":"${EnrollmentsTable.Arn}/index/resume"}"#.to_owned();
    resumer.extend(stripe_keys.clone());
    resumer.push(("dynamodb:Query", index));
    resumer.sort();
    assert_eq!(role_actions(&template, "ResumerRole"), resumer);

    // It compares, and changes nothing.
    let mut reconciler = expected_of_function(&[
        ("dynamodb:GetItem", "EnrollmentsTable"),
        ("logs:CreateLogStream", "ReconcilerLogGroup"),
        ("logs:PutLogEvents", "ReconcilerLogGroup"),
    ]);
    reconciler.extend(stripe_keys);
    reconciler.sort();
    assert_eq!(role_actions(&template, "ReconcilerRole"), reconciler);
}

/// A secret may be under a customer managed key. `kms:ViaService` and the encryption context `SecretARN`
/// limit what the permission is good for (Secrets Manager User Guide, "Secret encryption and
/// decryption").
#[test]
fn roles_decrypt_only_the_secret_with_stripes_keys_and_only_by_secrets_manager() {
    let template = template();
    for role in ["EnrollRole", "ResumerRole"] {
        let statements = role_statements(&template, role);
        let decrypts =
            |statement: &&&Value| actions(statement).any(|action| action == "kms:Decrypt");
        let [decryption] = statements.iter().filter(decrypts).collect::<Vec<_>>()[..] else {
            panic!("{role} has one such statement")
        };
        let condition = &decryption["Condition"]["StringEquals"];
        let service = "secretsmanager.${AWS::Region}.${AWS::URLSuffix}";
        assert_eq!(condition["kms:ViaService"]["Fn::Sub"], service, "{role}");
        assert!(is_ref(&condition["kms:EncryptionContext:SecretARN"], "StripeSecretArn"), "{role}");
    }
}

#[test]
fn email_roles_grant_what_their_functions_call_and_no_more() {
    let template = template();
    let worker = expected_of_function(&[
        ("dynamodb:UpdateItem", "EmailsTable"),
        ("dynamodb:GetItem", "SuppressionsTable"),
        ("dynamodb:DeleteItem", "SuppressionsTable"),
        ("dynamodb:GetItem", "HoldsTable"),
        ("dynamodb:PutItem", "HoldsTable"),
        // For the event source. The local AWS does not require it.
        ("sqs:ReceiveMessage", "EmailQueue"),
        ("sqs:DeleteMessage", "EmailQueue"),
        ("sqs:GetQueueAttributes", "EmailQueue"),
        // For the delay before a retry.
        ("sqs:ChangeMessageVisibility", "EmailQueue"),
        ("sqs:SendMessage", "EmailDeadLetterQueue"),
        ("logs:CreateLogStream", "EmailWorkerLogGroup"),
        ("logs:PutLogEvents", "EmailWorkerLogGroup"),
    ]);
    let (ses, rest): (Vec<_>, Vec<_>) = role_actions(&template, "EmailWorkerRole")
        .into_iter()
        .partition(|(action, _)| action.starts_with("ses:"));
    assert_eq!(rest, worker);
    let [(account, any), (listed, any_too), (send, identities)] = ses.try_into().unwrap();
    assert_eq!((account, any.as_str()), ("ses:GetAccount", r#""*""#));
    assert_eq!((listed, any_too.as_str()), ("ses:GetSuppressedDestination", r#""*""#));
    assert_eq!(send, "ses:SendEmail");
    assert!(identities.contains("identity/${SenderAddress}"), "{identities}");
    assert!(!identities.contains('*'), "{identities}");

    let feedback = expected_of_function(&[
        ("dynamodb:UpdateItem", "EmailsTable"),
        ("dynamodb:PutItem", "SuppressionsTable"),
        ("sqs:ReceiveMessage", "EmailFeedbackQueue"),
        ("sqs:DeleteMessage", "EmailFeedbackQueue"),
        ("sqs:GetQueueAttributes", "EmailFeedbackQueue"),
        ("logs:CreateLogStream", "EmailFeedbackLogGroup"),
        ("logs:PutLogEvents", "EmailFeedbackLogGroup"),
    ]);
    assert_eq!(role_actions(&template, "EmailFeedbackRole"), feedback);
}

#[test]
fn announcer_role_grants_what_its_function_calls_and_no_more() {
    let template = template();
    let streams =
        r#"[{"Fn::GetAtt":"EnrollmentsTable.StreamArn"},{"Fn::GetAtt":"EmailsTable.StreamArn"}]"#;
    let of_tables = r#"[{"Fn::Sub":"${EnrollmentsTable.Arn}/stream/*"},{"Fn::Sub":"${EmailsTable.Arn}/stream/*"}]"#;
    let bus =
        "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBusName}";
    let bus = format!(r#"{{"Fn::Sub":"{bus}"}}"#);
    let mut announcer = expected_of_function(&[
        ("sqs:SendMessage", "AnnouncerDeadLetterQueue"),
        ("logs:CreateLogStream", "AnnouncerLogGroup"),
        ("logs:PutLogEvents", "AnnouncerLogGroup"),
    ]);
    for action in ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"] {
        announcer.push((action, streams.to_owned()));
    }
    announcer.push(("dynamodb:ListStreams", of_tables.to_owned()));
    announcer.push(("events:DescribeEventBus", bus.clone()));
    announcer.push(("events:PutEvents", bus));
    announcer.sort();
    assert_eq!(role_actions(&template, "AnnouncerRole"), announcer);
}

/// Without an event bus nothing of it is deployed, and the tables have no streams.
#[test]
fn announcing_depends_on_the_parameter_and_gives_nothing_up_in_silence() {
    let template = template();
    let condition = &template["Conditions"]["AnnouncesEvents"]["Fn::Not"][0]["Fn::Equals"];
    assert!(is_ref(&condition[0], "EventBusName") && condition[1] == "");
    assert_eq!(template["Parameters"]["EventBusName"]["Default"], "");
    let names = template["Resources"].as_mapping().unwrap();
    let of_feature = |name: &str| {
        ["Announcer", "EventsAnnounced", "EventsRefused", "ChangeUnreadable", "StreamSource"]
            .iter()
            .any(|part| name.contains(part))
    };
    let mut resources = 0;
    for (name, resource) in names {
        let is_conditional = resource["Condition"] == "AnnouncesEvents";
        assert_eq!(is_conditional, of_feature(name.as_str().unwrap()), "{name:?}");
        resources += usize::from(is_conditional);
    }
    assert!(resources > 15, "{resources}");

    for (source, table) in
        [("EnrollmentStreamSource", "EnrollmentsTable"), ("EmailStreamSource", "EmailsTable")]
    {
        let stream = property(&template, table, "StreamSpecification");
        assert_eq!(stream["Fn::If"][0], "AnnouncesEvents");
        assert_eq!(stream["Fn::If"][1]["StreamViewType"], "NEW_AND_OLD_IMAGES");
        assert!(is_ref(&stream["Fn::If"][2], "AWS::NoValue"));
        let of = |name| property(&template, source, name);
        assert!(is_attribute(of("EventSourceArn"), &format!("{table}.StreamArn")));
        // Otherwise what is written while the mapping is created would not be announced.
        assert_eq!(of("StartingPosition"), "TRIM_HORIZON");
        assert_eq!(of("FunctionResponseTypes")[0], "ReportBatchItemFailures");
        assert_eq!(of("MaximumRetryAttempts"), -1);
        let age = of("MaximumRecordAgeInSeconds").as_u64().unwrap();
        assert!(age < 24 * 3_600, "the stream drops a record after a day, without a message");
        let kept = &of("DestinationConfig")["OnFailure"]["Destination"];
        assert!(is_attribute(kept, "AnnouncerDeadLetterQueue.Arn"));
        // Each in its own call of 3 s at most: a batch of one enrollment's writes is not finished, and goes on.
        assert_eq!(of("BatchSize"), 100);
    }
    let alarm = property(&template, "AnnouncerDeadLetterAlarm", "Dimensions");
    assert!(is_attribute(&alarm[0]["Value"], "AnnouncerDeadLetterQueue.QueueName"));
}

/// Without Stripe's event bus nothing of it is deployed. The webhook's route may only be left out with it.
#[test]
fn stripes_events_come_by_the_webhook_or_the_partner_bus_and_none_is_lost() {
    let template = template();
    let condition = &template["Conditions"]["HasStripeEventBus"]["Fn::Not"][0]["Fn::Equals"];
    assert!(is_ref(&condition[0], "StripeEventBusName") && condition[1] == "");
    assert_eq!(template["Parameters"]["StripeEventBusName"]["Default"], "");
    assert_eq!(template["Parameters"]["StripeWebhook"]["Default"], "true");
    assert_eq!(template["Resources"]["StripeWebhookRoute"]["Condition"], "HasStripeWebhook");
    let settings = property(&template, "ApiStage", "RouteSettings");
    assert_eq!(settings["POST /webhooks/stripe"]["Fn::If"][0], "HasStripeWebhook");
    let one_of_both = &template["Rules"]["PaymentsNeedAWayForEvents"];
    let without_webhook = &one_of_both["RuleCondition"]["Fn::And"][0]["Fn::Equals"];
    assert!(is_ref(&without_webhook[0], "StripeWebhook") && without_webhook[1] == "false");
    let needed = &one_of_both["Assertions"][0]["Assert"]["Fn::Not"][0]["Fn::Equals"];
    assert!(is_ref(&needed[0], "StripeEventBusName") && needed[1] == "");
    for (name, resource) in template["Resources"].as_mapping().unwrap() {
        let of_feature = name.as_str().unwrap().starts_with("StripeEvent");
        assert_eq!(resource["Condition"] == "HasStripeEventBus", of_feature, "{name:?}");
    }

    // Only Stripe can put an event with this source on this bus.
    assert!(is_ref(property(&template, "StripeEventRule", "EventBusName"), "StripeEventBusName"));
    let pattern = property(&template, "StripeEventRule", "EventPattern");
    let sources = each(&pattern["source"]);
    assert!(matches!(sources[..], [source] if is_ref(source, "StripeEventBusName")));
    let policy = property(&template, "StripeEventQueuePolicy", "PolicyDocument");
    let allowed = &policy["Statement"][0];
    assert_eq!(
        (&allowed["Effect"], &allowed["Action"]),
        (&"Allow".into(), &"sqs:SendMessage".into())
    );
    let source = &allowed["Condition"]["ArnEquals"]["aws:SourceArn"];
    assert!(is_attribute(source, "StripeEventRule.Arn"));

    let targets = property(&template, "StripeEventRule", "Targets");
    assert!(is_attribute(&targets[0]["Arn"], "StripeEventQueue.Arn"));
    let kept = &targets[0]["DeadLetterConfig"]["Arn"];
    assert!(is_attribute(kept, "StripeEventRuleDeadLetterQueue.Arn"));
    let timeout = property(&template, "EnrollFunction", "Timeout").as_u64().unwrap();
    assert_eq!(property(&template, "StripeEventQueue", "VisibilityTimeout"), timeout * 6);
    let redrive = property(&template, "StripeEventQueue", "RedrivePolicy");
    assert!(is_attribute(&redrive["deadLetterTargetArn"], "StripeEventDeadLetterQueue.Arn"));
    let receives = redrive["maxReceiveCount"].as_u64().unwrap();
    assert!((3_000..=3_600).contains(&(receives * timeout * 6)), "an outage of an hour");
    // The function handles one event per invocation.
    assert_eq!(property(&template, "StripeEventSource", "BatchSize"), 1);
    for (alarm, queue) in [
        ("StripeEventDeadLetterAlarm", "StripeEventDeadLetterQueue.QueueName"),
        ("StripeEventRuleDeadLetterAlarm", "StripeEventRuleDeadLetterQueue.QueueName"),
    ] {
        let dimensions = property(&template, alarm, "Dimensions");
        assert!(is_attribute(&dimensions[0]["Value"], queue), "{alarm}");
    }
}

#[test]
fn hold_watch_role_grants_what_its_function_calls_and_no_more() {
    let template = template();
    let hold_watch = expected_of_function(&[
        ("dynamodb:GetItem", "HoldsTable"),
        ("dynamodb:PutItem", "HoldsTable"),
        ("logs:CreateLogStream", "HoldWatchLogGroup"),
        ("logs:PutLogEvents", "HoldWatchLogGroup"),
    ]);
    let (asked, rest): (Vec<_>, Vec<_>) = role_actions(&template, "HoldWatchRole")
        .into_iter()
        .partition(|(action, _)| action.starts_with("ses:") || action.starts_with("cloudwatch:"));
    assert_eq!(rest, hold_watch);
    let [
        (alarms, rates),
        (account, any),
        (configuration_set, configuration_sets),
        (identity, identities),
    ] = asked.try_into().unwrap();
    assert_eq!(alarms, "cloudwatch:DescribeAlarms");
    let read = ["BounceRateAlarm", "BounceCountAlarm", "ComplaintRateAlarm", "ComplaintCountAlarm"];
    assert_eq!(rates, format!("[{}]", read.map(arn).join(",")));
    assert_eq!((account, any.as_str()), ("ses:GetAccount", r#""*""#));
    assert_eq!(configuration_set, "ses:GetConfigurationSet");
    assert!(
        configuration_sets.contains("configuration-set/${EmailConfigurationSet}"),
        "{configuration_sets}"
    );
    assert_eq!(identity, "ses:GetEmailIdentity");
    assert!(identities.contains("identity/${Identity}"), "{identities}");
    assert!(
        !configuration_sets.contains('*') && !identities.contains('*'),
        "{configuration_sets} {identities}"
    );
}

#[test]
fn each_schedule_may_invoke_its_own_function_only() {
    let template = template();
    let schedules: Vec<_> = resources(&template, "AWS::IAM::Role")
        .filter_map(|(role, _)| role.strip_suffix("ScheduleRole"))
        .collect();
    assert!(schedules.contains(&"Resumer") && schedules.contains(&"HoldWatch"), "{schedules:?}");
    for function in schedules {
        let run = expected(&[("lambda:InvokeFunction", &format!("{function}Function"))]);
        assert_eq!(role_actions(&template, &format!("{function}ScheduleRole")), run);
    }
}

/// EventBridge Scheduler invokes asynchronously; Lambda would keep a run that is throttled for 6 hours, and
/// repeat one that fails twice (Lambda Developer Guide, "Configuring error handling settings for
/// asynchronous invocations").
#[test]
fn scheduled_runs_do_not_pile_up() {
    let template = template();
    let scheduled: Vec<_> = resources(&template, "AWS::Serverless::Function")
        .filter(|(_, function)| function["Events"]["Schedule"]["Type"] == "ScheduleV2")
        .collect();
    assert!(scheduled.len() >= 3, "{scheduled:?}");
    for (name, function) in scheduled {
        let retries = &function["Events"]["Schedule"]["Properties"]["RetryPolicy"];
        for config in [&function["EventInvokeConfig"], retries] {
            assert_eq!(config["MaximumRetryAttempts"], 0, "{name}");
            assert_eq!(config["MaximumEventAgeInSeconds"], 60, "{name}");
        }
    }
    let reserved = property(&template, "ResumerFunction", "ReservedConcurrentExecutions");
    assert_eq!(reserved["Fn::If"][0], "ReservesConcurrency");
    assert_eq!(reserved["Fn::If"][1], 1);
}

#[test]
fn every_function_is_traced_without_a_layer() {
    let template = template();
    let globals = &template["Globals"]["Function"];
    assert_eq!(globals["Tracing"], "Active");
    assert!(globals["Layers"].is_null());
    for (name, function) in resources(&template, "AWS::Serverless::Function") {
        assert!(function["Tracing"].is_null() && function["Layers"].is_null(), "{name}");
    }
}

#[test]
fn every_role_of_a_function_is_compared_with_a_list() {
    let template = template();
    let this_file = include_str!("template.rs");
    for (role, _) in resources(&template, "AWS::IAM::Role") {
        let compared = this_file.contains(&format!("role_actions(&template, \"{role}\")"));
        assert!(compared || role.ends_with("ScheduleRole"), "no test lists the actions of {role}");
    }
}

#[test]
fn worker_and_hold_watch_may_turn_the_workers_event_source_and_no_other() {
    let template = template();
    let policy = &template["Resources"]["HoldPolicy"]["Properties"];
    let roles: Vec<_> = each(&policy["Roles"]).into_iter().map(|role| &role["Ref"]).collect();
    assert_eq!(roles, ["EmailWorkerRole", "HoldWatchRole"]);
    let [find, turn] = statements(&policy["PolicyDocument"])[..] else { panic!("{policy:?}") };
    assert_eq!(find["Action"], "lambda:ListEventSourceMappings");
    assert_eq!(turn["Action"], "lambda:UpdateEventSourceMapping");
    let mapping = turn["Resource"]["Fn::Sub"].as_str().unwrap();
    assert!(mapping.ends_with(":event-source-mapping:${EmailEventSource}"), "{mapping}");
}

#[test]
fn email_queue_refuses_a_job_that_could_not_be_kept_as_a_dead_letter() {
    let template = template();
    let size = property(&template, "EmailQueue", "MaximumMessageSize").as_u64();
    assert_eq!(size, u64::try_from(email::job::MAX_JOB_BYTES).ok());
    let dead_letters = &template["Resources"]["EmailDeadLetterQueue"]["Properties"];
    assert!(dead_letters["MaximumMessageSize"].is_null(), "SQS's own maximum, 1 MiB");
}

#[test]
fn age_alarms_read_the_workers_measure_and_report_before_a_job_expires() {
    use email::{deadline::MAX_WAIT, retry::MAX_DELAY};

    let template = template();
    let metric = property(&template, "OldestJobMetric", "MetricTransformations");
    assert_eq!(metric[0]["MetricValue"], "$.fields.oldest_job_age_seconds");
    let number = |alarm: &str, name: &str| property(&template, alarm, name).as_u64().unwrap();
    for (worker, queue) in
        [("EmailAgeAlarm", "EmailQueueAgeAlarm"), ("EmailExpiryAlarm", "EmailQueueExpiryAlarm")]
    {
        assert_eq!(property(&template, worker, "MetricName"), &metric[0]["MetricName"]);
        assert_eq!(property(&template, worker, "DatapointsToAlarm"), 1);
        // A job that is retried is received rarely: one value counts until the next is due.
        let remembers = number(worker, "Period") * number(worker, "EvaluationPeriods");
        assert!(remembers > MAX_DELAY.as_secs() && remembers <= 86_400, "{worker}");
        assert_eq!(property(&template, queue, "MetricName"), "ApproximateAgeOfOldestMessage");
        assert_eq!(number(worker, "Threshold"), number(queue, "Threshold"));
        assert!(number(worker, "Threshold") < MAX_WAIT.as_secs(), "{worker}");
    }
}

#[test]
fn message_outlasts_a_day_long_outage_and_every_hold() {
    use std::time::Duration;

    use email::retry;

    let template = template();
    let retention = property(&template, "EmailQueue", "MessageRetentionPeriod").as_u64().unwrap();
    let redrive = property(&template, "EmailQueue", "RedrivePolicy");
    let max_receives = u32::try_from(redrive["maxReceiveCount"].as_u64().unwrap()).unwrap();
    assert_eq!(Duration::from_secs(retention), retry::QUEUE_RETENTION);
    assert_eq!(max_receives, retry::MAX_RECEIVES);

    // Each failure is retried after the shortest delay that the schedule and the jitter allow.
    let tries = |receives| retry::not_too_often(retry::delay(receives, 1.0), receives);
    let outlasted: Duration = (1..max_receives).map(tries).sum();
    assert!(outlasted > Duration::from_hours(24), "{outlasted:?}");
    // A message that is always returned at once reaches the queue's retention before its maximum receive count.
    let delay = |receives| retry::not_too_often(Duration::ZERO, receives);
    let outlasted: Duration = (1..max_receives).map(delay).sum();
    assert!(outlasted > retry::QUEUE_RETENTION, "{outlasted:?}");
}

#[test]
fn rate_thresholds_hold_before_ses_reviews_the_account() {
    let template = template();
    // SES Developer Guide, "Sending review process FAQs": 5% bounces, 0.1% complaints.
    for (parameter, alarm, metric, review) in [
        ("BounceRateThreshold", "BounceRateAlarm", "Reputation.BounceRate", 0.05),
        ("ComplaintRateThreshold", "ComplaintRateAlarm", "Reputation.ComplaintRate", 0.001),
    ] {
        let default = template["Parameters"][parameter]["Default"].as_f64().unwrap();
        assert!(default < review && default > review / 2.0, "{parameter}");
        assert!(is_ref(property(&template, alarm, "Threshold"), parameter), "{alarm}");
        assert_eq!(property(&template, alarm, "MetricName"), metric);
    }
}

#[test]
fn rate_of_a_single_event_holds_nothing() {
    let template = template();
    assert!(template["Parameters"]["MinEventsToHold"]["Default"].as_u64().unwrap() >= 5);
    let published = property(&template, "EmailCountsDestination", "EventDestination");
    let dimension = &published["CloudWatchDestination"]["DimensionConfigurations"][0];
    for (alarm, event) in [("BounceCountAlarm", "Bounce"), ("ComplaintCountAlarm", "Complaint")] {
        assert!(is_ref(property(&template, alarm, "Threshold"), "MinEventsToHold"), "{alarm}");
        assert_eq!(property(&template, alarm, "MetricName"), event);
        let types = each(&published["MatchingEventTypes"]);
        assert!(types.iter().any(|of_type| *of_type == &event.to_lowercase()), "{event}");
        let counted = &property(&template, alarm, "Dimensions")[0];
        assert_eq!(counted["Name"], dimension["DimensionName"]);
        assert!(is_ref(&counted["Value"], "EmailConfigurationSet"), "{alarm}");
    }
}

#[test]
fn alarm_of_a_hold_is_ended_only_by_a_run_that_has_read_the_holds() {
    let template = template();
    assert_eq!(property(&template, "EmailHeldAlarm", "TreatMissingData"), "ignore");
    assert_eq!(property(&template, "EmailHeldAlarm", "Statistic"), "Maximum");
    for (filter, event, value) in [
        ("WorkerHeldMetric", "email_held", "1"),
        ("HoldWatchHeldMetric", "holds_checked", "$.fields.held"),
    ] {
        let pattern = property(&template, filter, "FilterPattern").as_str().unwrap();
        assert!(pattern.contains(event), "{filter}");
        let metric = &property(&template, filter, "MetricTransformations")[0];
        assert_eq!(metric["MetricValue"], value, "{filter}");
        // It would be published for a line that says nothing about the holds.
        assert!(metric["DefaultValue"].is_null(), "{filter}");
    }
}

#[test]
fn email_operator_policy_grants_what_the_commands_call_and_no_more() {
    let template = template();
    let named = |arn: &str| {
        format!(
            r#"{{"Fn::Sub":"arn:${{AWS::Partition}}:{}"}}"#,
            arn.replace("HERE", "${AWS::Region}:${AWS::AccountId}")
        )
    };
    let mut expected = vec![
        ("cloudformation:DescribeStacks", named("cloudformation:HERE:stack/${AWS::StackName}/*")),
        ("sqs:ChangeMessageVisibility", arn("EmailDeadLetterQueue")),
        ("sqs:DeleteMessage", arn("EmailDeadLetterQueue")),
        ("sqs:GetQueueAttributes", arn("EmailDeadLetterQueue")),
        ("sqs:ReceiveMessage", arn("EmailDeadLetterQueue")),
        ("sqs:SendMessage", arn("EmailQueue")),
        ("dynamodb:GetItem", arn("EmailsTable")),
        ("dynamodb:UpdateItem", arn("EmailsTable")),
        ("dynamodb:GetItem", arn("HoldsTable")),
        ("dynamodb:PutItem", arn("HoldsTable")),
        ("dynamodb:GetItem", arn("EnrollmentsTable")),
        ("dynamodb:Query", r#"{"Fn::Sub":"${EnrollmentsTable.Arn}/index/resume"}"#.to_owned()),
        ("dynamodb:DeleteItem", arn("SuppressionsTable")),
        ("dynamodb:PutItem", arn("SuppressionsTable")),
        ("dynamodb:Scan", arn("SuppressionsTable")),
        ("ses:DeleteSuppressedDestination", r#""*""#.to_owned()),
        ("ses:ListSuppressedDestinations", r#""*""#.to_owned()),
        ("ses:PutSuppressedDestination", r#""*""#.to_owned()),
        ("lambda:ListEventSourceMappings", r#""*""#.to_owned()),
        (
            "lambda:UpdateEventSourceMapping",
            named("lambda:HERE:event-source-mapping:${EmailEventSource}"),
        ),
    ];
    expected.sort();
    assert_eq!(policy_actions(&template, "EmailOperatorPolicy"), expected);
}

#[test]
fn operator_policy_writes_the_catalogue_and_no_more() {
    let template = template();
    let here = "${AWS::Region}:${AWS::AccountId}";
    let stack =
        format!("arn:${{AWS::Partition}}:cloudformation:{here}:stack/${{AWS::StackName}}/*");
    let mut expected = vec![
        ("cloudformation:DescribeStacks", format!(r#"{{"Fn::Sub":"{stack}"}}"#)),
        ("dynamodb:GetItem", arn("CoursesTable")),
        ("dynamodb:PutItem", arn("CoursesTable")),
        ("dynamodb:PutItem", arn("PriceChangesTable")),
        ("dynamodb:UpdateItem", arn("SeatsTable")),
    ];
    expected.sort();
    let mut actions = policy_actions(&template, "OperatorPolicy");
    actions.retain(|(action, _)| *action != "execute-api:Invoke");
    assert_eq!(actions, expected);
}

#[test]
fn payments_operator_policy_grants_what_the_commands_call_and_no_more() {
    let template = template();
    let stack = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/${AWS::StackName}/*";
    let route = |method: &str| {
        format!(
            r#"{{"Fn::Sub":"arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{HttpApi}}/$default/{method}/operator/enrollments/*"}}"#
        )
    };
    let mut expected = vec![
        ("cloudformation:DescribeStacks", format!(r#"{{"Fn::Sub":"{stack}"}}"#)),
        ("dynamodb:GetItem", arn("CoursesTable")),
        ("dynamodb:UpdateItem", arn("SeatsTable")),
        ("dynamodb:GetItem", arn("EmailsTable")),
        ("dynamodb:GetItem", arn("EnrollmentsTable")),
        ("dynamodb:PutItem", arn("EnrollmentsTable")),
        ("dynamodb:UpdateItem", arn("EnrollmentsTable")),
        ("dynamodb:Query", r#"{"Fn::Sub":"${EnrollmentsTable.Arn}/index/resume"}"#.to_owned()),
        ("execute-api:Invoke", route("GET")),
        ("execute-api:Invoke", route("POST")),
    ];
    expected.sort();
    assert_eq!(policy_actions(&template, "PaymentsOperatorPolicy"), expected);
}

#[test]
fn privacy_operator_policy_grants_what_the_commands_call_and_no_more() {
    let template = template();
    let stack = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/${AWS::StackName}/*";
    let queues = [
        "EmailQueue",
        "EmailDeadLetterQueue",
        "EmailFeedbackDeadLetterQueue",
        "EmailFeedbackRuleDeadLetterQueue",
    ];
    let queues = format!("[{}]", queues.map(arn).join(","));
    let mut expected = vec![
        ("cloudformation:DescribeStacks", format!(r#"{{"Fn::Sub":"{stack}"}}"#)),
        ("dynamodb:DeleteItem", arn("EnrollmentsTable")),
        ("dynamodb:GetItem", arn("EnrollmentsTable")),
        ("dynamodb:PutItem", arn("EnrollmentsTable")),
        ("dynamodb:Query", arn("EnrollmentsTable")),
        ("dynamodb:UpdateItem", arn("SeatsTable")),
        ("dynamodb:GetItem", arn("EmailsTable")),
        ("dynamodb:Scan", arn("EmailsTable")),
        ("dynamodb:UpdateItem", arn("EmailsTable")),
        ("dynamodb:DeleteItem", arn("SuppressionsTable")),
        ("dynamodb:GetItem", arn("SuppressionsTable")),
        ("ses:DeleteSuppressedDestination", r#""*""#.to_owned()),
        ("ses:GetSuppressedDestination", r#""*""#.to_owned()),
        ("sqs:ChangeMessageVisibility", queues.clone()),
        ("sqs:DeleteMessage", queues.clone()),
        ("sqs:GetQueueAttributes", queues.clone()),
        ("sqs:ReceiveMessage", queues),
    ];
    expected.sort();
    assert_eq!(policy_actions(&template, "PrivacyOperatorPolicy"), expected);
}

#[test]
fn operator_read_policy_grants_what_the_commands_read_and_no_more() {
    let template = template();
    let several = |resources: &[&str]| {
        let arns: Vec<_> = resources.iter().map(|resource| arn(resource)).collect();
        format!("[{}]", arns.join(","))
    };
    let queues = several(&["EmailQueue", "EmailDeadLetterQueue", "EmailFeedbackDeadLetterQueue"]);
    let tables = several(&[
        "CoursesTable",
        "EmailsTable",
        "EnrollmentsTable",
        "HoldsTable",
        "SeatsTable",
        "SuppressionsTable",
    ]);
    let here = "arn:${AWS::Partition}:SERVICE:${AWS::Region}:${AWS::AccountId}";
    let stack = here.replace("SERVICE", "cloudformation") + ":stack/${AWS::StackName}/*";
    let set = here.replace("SERVICE", "ses") + ":configuration-set/${EmailConfigurationSet}";
    let any = || r#""*""#.to_owned();
    let (identity, mut rest): (Vec<_>, Vec<_>) = policy_actions(&template, "OperatorReadPolicy")
        .into_iter()
        .partition(|(action, _)| *action == "ses:GetEmailIdentity");
    let [(_, identity)] = identity.try_into().unwrap();
    assert!(identity.contains("identity/${Identity}") && !identity.contains('*'), "{identity}");
    let mut expected = vec![
        ("cloudformation:DescribeStacks", format!(r#"{{"Fn::Sub":"{stack}"}}"#)),
        ("cloudwatch:DescribeAlarms", any()),
        ("cloudwatch:GetMetricData", any()),
        ("cloudwatch:GetMetricStatistics", any()),
        ("dynamodb:GetItem", tables),
        ("dynamodb:Query", arn("PriceChangesTable")),
        ("dynamodb:Query", r#"{"Fn::Sub":"${EnrollmentsTable.Arn}/index/resume"}"#.to_owned()),
        ("dynamodb:Scan", arn("EmailsTable")),
        ("lambda:GetAccountSettings", any()),
        ("lambda:GetFunctionConcurrency", arn("EmailWorkerFunction")),
        ("lambda:ListEventSourceMappings", any()),
        ("ses:GetAccount", any()),
        ("ses:GetConfigurationSet", format!(r#"{{"Fn::Sub":"{set}"}}"#)),
        ("ses:GetSuppressedDestination", any()),
        ("sqs:GetQueueAttributes", queues),
    ];
    expected.sort();
    rest.sort();
    assert_eq!(rest, expected);
}

#[test]
fn every_queue_refuses_plain_http_by_default_and_has_one_policy() {
    let template = template();
    assert_eq!(template["Parameters"]["RequireTls"]["Default"], "true");
    let queues: BTreeSet<_> =
        resources(&template, "AWS::SQS::Queue").map(|(name, _)| name.to_owned()).collect();
    let mut covered = BTreeSet::new();
    for (name, policy) in resources(&template, "AWS::SQS::QueuePolicy") {
        let conditional = &template["Resources"][name]["Condition"];
        let denials: Vec<_> = each(&policy["PolicyDocument"]["Statement"])
            .into_iter()
            .filter(|statement| unconditional(statement)["Effect"] == "Deny")
            .collect();
        let [denial] = denials[..] else { panic!("{name} denies {} times", denials.len()) };
        // In a policy that also allows something, only the denial depends on the parameter.
        let depends_on =
            Some(&denial["Fn::If"][0]).filter(|it| !it.is_null()).unwrap_or(conditional);
        assert_eq!(depends_on, "RequiresTls", "{name}");
        let denial = unconditional(denial);
        assert_eq!((&denial["Action"], &denial["Principal"]), (&"sqs:*".into(), &"*".into()));
        assert_eq!(denial["Condition"]["Bool"]["aws:SecureTransport"], "false");
        let resource = &denial["Resource"];
        for queue in each(&policy["Queues"]) {
            let queue = unconditional(queue)["Ref"].as_str().unwrap();
            assert!(*resource == "*" || is_attribute(resource, &format!("{queue}.Arn")), "{name}");
            // If a queue has two policies, SQS keeps only the last one written.
            assert!(covered.insert(queue.to_owned()), "{queue} has two policies");
        }
    }
    assert_eq!(covered, queues);
}

#[test]
fn only_ses_events_of_this_stacks_emails_reach_the_feedback_queue() {
    let template = template();
    let destination = property(&template, "EmailFeedbackDestination", "EventDestination");
    assert_eq!(destination["Enabled"], true);
    assert!(is_ref(
        property(&template, "EmailFeedbackDestination", "ConfigurationSetName"),
        "EmailConfigurationSet"
    ));
    let published: BTreeSet<_> =
        each(&destination["MatchingEventTypes"]).into_iter().filter_map(Value::as_str).collect();
    assert!(published.into_iter().eq(["bounce", "complaint", "delivery", "reject", "send"]));

    let pattern = property(&template, "EmailFeedbackRule", "EventPattern");
    assert!(each(&pattern["source"]).into_iter().eq(["aws.ses"]));
    assert_eq!(each(&pattern["detail-type"]).len(), 5);
    let sets = each(&pattern["detail"]["mail"]["tags"]["ses:configuration-set"]);
    assert!(matches!(sets[..], [set] if is_ref(set, "EmailConfigurationSet")));
    let targets = property(&template, "EmailFeedbackRule", "Targets");
    assert!(is_attribute(&targets[0]["Arn"], "EmailFeedbackQueue.Arn") && targets[1].is_null());

    // Only the rule may send to the queue, for any parameters.
    let policy = property(&template, "EmailFeedbackQueuePolicy", "PolicyDocument");
    let allowed: Vec<_> = each(&policy["Statement"])
        .into_iter()
        .filter(|statement| unconditional(statement)["Effect"] == "Allow")
        .collect();
    let [allowed] = allowed[..] else { panic!("{} statements allow something", allowed.len()) };
    assert_eq!(allowed["Principal"]["Service"], "events.amazonaws.com");
    assert_eq!(allowed["Action"], "sqs:SendMessage");
    assert_eq!(allowed["Resource"], "*", "the queues that have this policy");
    let source = &allowed["Condition"]["ArnEquals"]["aws:SourceArn"];
    assert!(is_attribute(source, "EmailFeedbackRule.Arn"));
}

#[test]
fn event_that_does_not_reach_the_feedback_queue_is_kept_and_alarmed() {
    let template = template();
    let targets = property(&template, "EmailFeedbackRule", "Targets");
    let kept = &targets[0]["DeadLetterConfig"]["Arn"];
    assert!(is_attribute(kept, "EmailFeedbackRuleDeadLetterQueue.Arn"));
    // EventBridge User Guide, "Using dead-letter queues": a standard queue, to which its policy lets the rule send.
    let queue = &template["Resources"]["EmailFeedbackRuleDeadLetterQueue"]["Properties"];
    assert!(queue["FifoQueue"].is_null());
    let queues = property(&template, "EmailFeedbackQueuePolicy", "Queues");
    assert!(
        each(queues).into_iter().any(|queue| is_ref(queue, "EmailFeedbackRuleDeadLetterQueue"))
    );
    let alarm = property(&template, "EmailFeedbackRuleDeadLetterAlarm", "Dimensions");
    assert!(is_attribute(&alarm[0]["Value"], "EmailFeedbackRuleDeadLetterQueue.QueueName"));
}

#[test]
fn feedback_event_that_fails_is_retried_and_then_kept_as_a_dead_letter() {
    let template = template();
    let timeout = property(&template, "EmailFeedbackFunction", "Timeout").as_u64().unwrap();
    assert_eq!(property(&template, "EmailFeedbackQueue", "VisibilityTimeout"), timeout * 6);
    let redrive = property(&template, "EmailFeedbackQueue", "RedrivePolicy");
    assert!(is_attribute(&redrive["deadLetterTargetArn"], "EmailFeedbackDeadLetterQueue.Arn"));
    assert_eq!(redrive["maxReceiveCount"], 5);
    let responses = property(&template, "EmailFeedbackEventSource", "FunctionResponseTypes");
    assert_eq!(responses[0], "ReportBatchItemFailures");
    let alarm = property(&template, "EmailFeedbackDeadLetterAlarm", "Dimensions");
    assert!(is_attribute(&alarm[0]["Value"], "EmailFeedbackDeadLetterQueue.QueueName"));
}

#[test]
fn access_log_names_no_student() {
    let template = template();
    let format = property(&template, "ApiStage", "AccessLogSettings")["Format"].as_str().unwrap();
    let fields: serde_json::Map<_, _> = serde_json::from_str(format).unwrap();
    assert!(fields.len() > 5);
    for revealing in ["$context.path", "querystring", "authorizer.claims", "$request"] {
        assert!(!format.contains(revealing), "{revealing} can name a student");
    }
}

#[test]
fn tables_outlive_the_stack_and_are_restorable() {
    let template = template();
    for (name, table) in resources(&template, "AWS::DynamoDB::Table") {
        let resource = &template["Resources"][name];
        assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{name}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
        let recovery = &table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
        assert_eq!(recovery, &Value::from(true), "{name}");
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true, "{name}");
    }
}

/// The resources in the order of the file, each with its type and properties.
fn in_order(template: &Value) -> Vec<(&str, &str, &Value)> {
    let resources = template["Resources"].as_mapping().unwrap();
    resources
        .iter()
        .map(|(name, resource)| {
            (name.as_str().unwrap(), resource["Type"].as_str().unwrap(), &resource["Properties"])
        })
        .collect()
}

fn resources_of_alarms(template: &Value) -> impl Iterator<Item = &Value> {
    resources(template, "AWS::CloudWatch::Alarm").map(|(_, alarm)| alarm)
}

#[test]
fn each_metric_filter_stands_directly_before_its_alarm_if_it_has_one() {
    let template = template();
    let resources = in_order(&template);
    let mut filters = 0;
    for (index, (name, _, filter)) in resources
        .iter()
        .enumerate()
        .filter(|(_, (_, of_type, _))| *of_type == "AWS::Logs::MetricFilter")
    {
        let metric = &filter["MetricTransformations"][0];
        let is_read = |alarm: &Value| alarm["MetricName"] == metric["MetricName"];
        if !resources_of_alarms(&template).any(is_read) {
            continue;
        }
        filters += 1;
        // Two filters of one metric stand before one alarm.
        let (_, of_type, alarm) = resources[index + 1..]
            .iter()
            .find(|(_, of_type, next)| {
                *of_type != "AWS::Logs::MetricFilter"
                    || next["MetricTransformations"][0]["MetricName"] != metric["MetricName"]
            })
            .unwrap();
        assert_eq!(*of_type, "AWS::CloudWatch::Alarm", "{name}");
        assert_eq!(alarm["MetricName"], metric["MetricName"], "{name}");
        assert_eq!(alarm["Namespace"], metric["MetricNamespace"], "{name}");
    }
    assert!(filters > 0);
}

#[test]
fn each_function_with_a_schedule_has_an_alarm_for_runs_that_do_not_happen() {
    let template = template();
    let mut scheduled = 0;
    for (function, properties) in resources(&template, "AWS::Serverless::Function") {
        let Some(events) = properties["Events"].as_mapping() else { continue };
        if !events.values().any(|event| event["Type"] == "ScheduleV2") {
            continue;
        }
        scheduled += 1;
        let reports_absence = resources(&template, "AWS::CloudWatch::Alarm").any(|(_, alarm)| {
            is_ref(&alarm["Dimensions"][0]["Value"], function)
                && alarm["MetricName"] == "Invocations"
                && alarm["ComparisonOperator"] == "LessThanThreshold"
                && alarm["TreatMissingData"] == "breaching"
        });
        assert!(reports_absence, "no alarm reports that {function} is not invoked");
    }
    assert_eq!(scheduled, 3);
}

/// The line of Lambda's system log about an initialisation (Telemetry API schema, "platform.initReport").
fn init_report(status: &str) -> serde_json::Value {
    serde_json::json!({
        "time": "2026-11-25T12:00:00.000Z",
        "type": "platform.initReport",
        "record": {
            "initializationType": "on-demand", "phase": "init", "status": status,
            "errorType": "Runtime.ExitError", "metrics": {"durationMs": 12.5},
        },
    })
}

#[test]
fn each_function_has_alarms_on_errors_throttles_and_failed_initialisations() {
    let template = template();
    let alarms: Vec<_> = resources(&template, "AWS::CloudWatch::Alarm").collect();
    let counts_any = |alarm: &Value| {
        alarm["Statistic"] == "Sum"
            && alarm["ComparisonOperator"] == "GreaterThanThreshold"
            && alarm["Threshold"] == 0
    };
    let mut functions = 0;
    for (function, properties) in resources(&template, "AWS::Serverless::Function") {
        functions += 1;
        let alarm = |metric: &str| {
            let is_its = |alarm: &Value| {
                is_ref(&alarm["Dimensions"][0]["Value"], function)
                    && alarm["Namespace"] == "AWS/Lambda"
                    && alarm["MetricName"] == metric
            };
            alarms.iter().find(|(_, alarm)| is_its(alarm) && counts_any(alarm)).map(|(_, a)| *a)
        };
        for metric in ["Errors", "Throttles"] {
            assert!(alarm(metric).is_some(), "{function} has no alarm on {metric}");
        }

        let log_group = properties["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap();
        let metric = format!("{}InitFailures", function.strip_suffix("Function").unwrap());
        for (status, count) in [("error", 1), ("failure", 1), ("timeout", 1), ("success", 0)] {
            let counted = lambda::testing::count(log_group, &[init_report(status)]);
            assert_eq!(counted.get(&metric).copied().unwrap_or_default(), count, "{function}");
        }
        let is_its = |alarm: &Value| alarm["MetricName"] == *metric && counts_any(alarm);
        assert!(
            alarms.iter().any(|(_, alarm)| is_its(alarm)),
            "{function} has no alarm on {metric}"
        );
    }
    assert_eq!(functions, 7);
}

/// Lambda dates an error when its invocation began (Developer Guide, "Types of metrics for Lambda functions"). So
/// an alarm must look back further than an invocation lasts.
#[test]
fn error_of_the_longest_invocation_is_still_seen() {
    let template = template();
    let timeouts = template["Parameters"]["WorkerTimeout"]["AllowedValues"].as_sequence().unwrap();
    let longest = timeouts.iter().filter_map(Value::as_u64).max().unwrap();
    for (name, alarm) in resources(&template, "AWS::CloudWatch::Alarm") {
        if alarm["MetricName"] == "Errors" && alarm["Namespace"] == "AWS/Lambda" {
            let function = alarm["Dimensions"][0]["Value"]["Ref"].as_str().unwrap();
            let timeout = property(&template, function, "Timeout").as_u64().unwrap_or(longest);
            let looks_back =
                alarm["Period"].as_u64().unwrap() * alarm["EvaluationPeriods"].as_u64().unwrap();
            assert!(looks_back >= 2 * timeout, "{name}");
        }
    }
}

#[test]
fn each_function_is_one_block_from_its_log_group_to_its_alarms() {
    let template = template();
    let resources = in_order(&template);
    for (function, _, properties) in
        resources.iter().filter(|(_, of_type, _)| *of_type == "AWS::Serverless::Function")
    {
        let prefix = function.strip_suffix("Function").unwrap();
        let [log_group, role, schedule_role] =
            ["LogGroup", "Role", "ScheduleRole"].map(|kind| format!("{prefix}{kind}"));
        assert!(is_ref(&properties["LoggingConfig"]["LogGroup"], &log_group), "{function}");
        assert!(is_attribute(&properties["Role"], &format!("{role}.Arn")), "{function}");

        // The block: log group, roles, function, and then only resources that belong to a function.
        let first = resources.iter().position(|(name, ..)| *name == log_group).unwrap();
        let mut block = resources[first + 1..].iter();
        let mut next = || block.next().unwrap().0;
        assert_eq!(next(), role);
        let own = match next() {
            name if name == schedule_role => next(),
            name => name,
        };
        assert_eq!(own, *function);
        let block: Vec<_> = block
            .take_while(|(_, of_type, _)| {
                [
                    "AWS::Lambda::EventSourceMapping",
                    "AWS::IAM::Policy",
                    "AWS::Logs::MetricFilter",
                    "AWS::CloudWatch::Alarm",
                ]
                .contains(of_type)
            })
            .map(|(name, ..)| *name)
            .collect();

        // Nothing that feeds or watches the function stands anywhere else.
        for (name, of_type, properties) in &resources {
            let belongs = match *of_type {
                "AWS::Lambda::EventSourceMapping" => {
                    is_attribute(&properties["FunctionName"], &format!("{function}.Arn"))
                }
                "AWS::CloudWatch::Alarm" => is_ref(&properties["Dimensions"][0]["Value"], function),
                _ => false,
            };
            assert!(!belongs || block.contains(name), "{name} is not in the block of {function}");
        }
    }
}
