use std::{collections::HashMap, fs, time::Duration};

use super::{
    Batching, EventSource, Function, QueueReference, Scope, SourceError, Sources, event_sources,
    read,
};

fn scope(template: &str, given: &[(&str, &str)]) -> Scope {
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let pseudo = [("AWS::Region", "eu-west-1"), ("AWS::AccountId", "123456789012")];
    let pseudo = pseudo.map(|(name, value)| (name, value.to_owned()));
    Scope::new(read(template).unwrap(), given.collect(), HashMap::from(pseudo))
}

fn sources(template: &str) -> Result<Sources, SourceError> {
    event_sources(&scope(template, &[]), &[])
}

/// A template with one queue, one function and one event source, which has these properties too.
fn with(properties: &str) -> String {
    format!(
        "Resources:\n  Jobs: {{Type: AWS::SQS::Queue}}\n  \
         Worker:\n    Type: AWS::Serverless::Function\n    \
         Properties:\n      CodeUri: functions/worker/\n      Events:\n        \
         Queue:\n          Type: SQS\n          Properties: {{Queue: !GetAtt Jobs.Arn, {properties}}}\n"
    )
}

fn one(template: &str) -> EventSource {
    let [source] = sources(template).unwrap().served.try_into().unwrap();
    source
}

fn error(template: &str) -> String {
    sources(template).unwrap_err().to_string()
}

#[test]
fn event_of_a_function_has_the_defaults_of_lambda() {
    assert_eq!(
        one(&with("")),
        EventSource {
            name: "WorkerQueue".to_owned(),
            function: Function {
                id: "Worker".to_owned(),
                program: "worker".to_owned(),
                timeout: Duration::from_secs(3),
            },
            queue: QueueReference::Resource("Jobs".to_owned()),
            batching: Batching { size: 10, window: Duration::ZERO },
            max_concurrency: 5,
            reports_failures: false,
        }
    );
}

#[test]
fn sources_of_this_repository_are_those_of_the_worker_and_of_the_feedback_function() {
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
    let template = fs::read_to_string(template).unwrap();
    let given =
        [("SenderAddress", "a@example.com"), ("WorkerConcurrency", "4"), ("EventBusName", "b")];
    let Sources { served, not_served } = event_sources(&scope(&template, &given), &[]).unwrap();
    let [worker, feedback] = served.try_into().unwrap();
    assert_eq!(worker.name, "EmailEventSource");
    assert_eq!(worker.function.program, "email-worker");
    assert_eq!(worker.function.timeout, Duration::from_mins(1));
    assert_eq!(worker.queue, QueueReference::Resource("EmailQueue".to_owned()));
    assert_eq!(worker.batching, Batching { size: 100, window: Duration::from_secs(1) });
    assert_eq!((worker.max_concurrency, worker.reports_failures), (4, true));
    assert_eq!(feedback.function.program, "email-feedback");
    assert_eq!(feedback.batching, Batching { size: 10, window: Duration::ZERO });
    assert_eq!((feedback.max_concurrency, feedback.reports_failures), (50, true));
    let not_served: Vec<_> =
        not_served.iter().map(|source| format!("{} ({})", source.name, source.kind)).collect();
    assert_eq!(
        not_served,
        [
            "EmailStreamSource (AWS::DynamoDB::Table StreamArn)",
            "EnrollmentStreamSource (AWS::DynamoDB::Table StreamArn)",
            "HoldWatchFunctionSchedule (ScheduleV2)",
            "ReconcilerFunctionSchedule (ScheduleV2)",
            "ResumerFunctionSchedule (ScheduleV2)",
        ]
    );
}

#[test]
fn condition_that_is_false_takes_its_sources_away_and_chooses_values() {
    let template = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"));
    let template = template.unwrap();
    let small = [("SenderAddress", "a@example.com"), ("WorkerBatchSize", "7")];
    let Sources { served, not_served } = event_sources(&scope(&template, &small), &[]).unwrap();
    assert_eq!(served[0].batching, Batching { size: 7, window: Duration::ZERO });
    assert_eq!(not_served.len(), 3, "{not_served:?}");
}

#[test]
fn program_is_that_of_the_build_then_the_functions_name_then_its_directory() {
    let function = |lines: &str| {
        let template = with("").replace("CodeUri: functions/worker/", lines);
        one(&template).function.program
    };
    assert_eq!(function("CodeUri: ."), "Worker");
    assert_eq!(function("CodeUri: ./a/b-c"), "b-c");
    assert_eq!(function("FunctionName: named\n      CodeUri: b-c"), "named");
    let built = "CodeUri: b-c\n    Metadata: {BuildProperties: {Binary: built}}";
    let template = with("").replace("    Properties:\n      CodeUri: functions/worker/", "")
        + "    Metadata: {BuildProperties: {Binary: built}}\n";
    let template = template.replace("      Events:", "    Properties:\n      Events:");
    assert_eq!(one(&template).function.program, "built", "{built}");
}

#[test]
fn timeout_may_be_a_global_of_sam() {
    let template = format!("Globals: {{Function: {{Timeout: 45}}}}\n{}", with(""));
    assert_eq!(one(&template).function.timeout, Duration::from_secs(45));
    let own = template.replace("CodeUri:", "Timeout: 9\n      CodeUri:");
    assert_eq!(one(&own).function.timeout, Duration::from_secs(9));
}

#[test]
fn queue_and_function_may_be_arns() {
    let mapping = |source: &str| {
        format!(
            "Resources:\n  M:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties:\n      \
             EventSourceArn: {source}\n      \
             FunctionName: !Sub 'arn:aws:lambda:${{AWS::Region}}:1:function:elsewhere:live'\n"
        )
    };
    let source = one(&mapping("!Sub 'arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:jobs'"));
    let arn = "arn:aws:sqs:eu-west-1:123456789012:jobs".to_owned();
    assert_eq!(source.queue, QueueReference::Arn(arn));
    assert_eq!(source.function.program, "elsewhere");

    let error = error(&mapping("!ImportValue shared-queue"));
    assert_eq!(error, "M: EventSourceArn: Fn::ImportValue cannot be evaluated here");
}

#[test]
fn values_that_lambda_refuses_are_refused() {
    for (properties, expected) in [
        ("BatchSize: 0", "WorkerQueue: BatchSize must be from 1 to 10000"),
        (
            "BatchSize: 10001, MaximumBatchingWindowInSeconds: 1",
            "WorkerQueue: BatchSize must be from 1 to 10000",
        ),
        (
            "BatchSize: 11",
            "WorkerQueue: MaximumBatchingWindowInSeconds must be at least 1 if BatchSize is above 10",
        ),
        (
            "MaximumBatchingWindowInSeconds: 301",
            "WorkerQueue: MaximumBatchingWindowInSeconds must be from 0 to 300",
        ),
        (
            "ScalingConfig: {MaximumConcurrency: 1}",
            "WorkerQueue: MaximumConcurrency must be from 2 to 1000",
        ),
        ("BatchSize: many", "WorkerQueue: BatchSize must be from 1 to 10000"),
        (
            "BatchSize: !Ref Missing",
            "WorkerQueue: BatchSize: there is no parameter or resource Missing",
        ),
    ] {
        assert_eq!(error(&with(properties)), expected, "{properties}");
    }
}

#[test]
fn filter_is_refused_unless_its_source_is_left_out() {
    let template = with("FilterCriteria: {Filters: [{Pattern: '{}'}]}");
    let expected =
        "WorkerQueue has FilterCriteria, which is not supported: --only serves other event sources";
    assert_eq!(error(&template), expected);
    let other = "  Other:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties: \
                 {EventSourceArn: !GetAtt Jobs.Arn, FunctionName: !Ref Worker}\n";
    let both = scope(&format!("{template}{other}"), &[]);
    let left = event_sources(&both, &["Other".to_owned()]).unwrap();
    assert_eq!(left.served[0].name, "Other");
    let unknown = event_sources(&both, &["Nothing".to_owned()]).unwrap_err().to_string();
    let expected = "there is no event source Nothing that is an SQS queue; there are: ";
    assert!(unknown.starts_with(expected), "{unknown}");
}

#[test]
fn source_that_is_turned_off_is_not_served() {
    assert_eq!(
        error(&with("Enabled: false")),
        "the template has no event source that is an SQS queue"
    );
}

/// `!If [C, x, y]` as the batching window, with this condition.
fn window(condition: &str, given: &[(&str, &str)]) -> Result<u64, String> {
    let template = format!(
        "Parameters:\n  Size: {{Type: Number, Default: 5}}\n  Names: {{Type: CommaDelimitedList, Default: 'a, b'}}\n  \
         Required: {{Type: String}}\nMappings: {{Sizes: {{eu-west-1: {{small: 5}}}}}}\n\
         Conditions:\n  Never: !Equals [1, 2]\n  Loop: !Not [!Condition Loop]\n  C: {condition}\n{}",
        with("MaximumBatchingWindowInSeconds: !If [C, 1, 2]")
    );
    match event_sources(&scope(&template, given), &[]) {
        Ok(sources) => Ok(sources.served[0].batching.window.as_secs()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn conditions_follow_the_functions_of_cloudformation() {
    for (condition, expected) in [
        ("!Equals [!Ref Size, 5]", 1),
        ("!Equals [!Ref Size, '6']", 2),
        ("!Not [!Condition Never]", 1),
        ("!And [!Equals [1, 1], !Condition Never]", 2),
        ("!Or [!Condition Never, !Equals [1, 1]]", 1),
        ("!Or [!Condition Never, !Equals [1, 2]]", 2),
        ("!Equals [!Join ['-', !Ref Names], a-b]", 1),
        ("!Equals [!Select [1, !Ref Names], b]", 1),
        ("!Equals [!Select [2, !Split [':', 'x:y:z']], z]", 1),
        ("!Equals [!FindInMap [Sizes, !Ref 'AWS::Region', small], !Ref Size]", 1),
        ("!Equals [!Sub ['${Size}${!Size}-${X}', {X: y}], '5${Size}-y']", 1),
    ] {
        assert_eq!(window(condition, &[]), Ok(expected), "{condition}");
    }
}

#[test]
fn name_that_does_not_exist_is_an_error() {
    let error = window("!Equals [!Sub '${Size}-${X}', y]", &[]).unwrap_err();
    assert!(error.ends_with("there is no parameter or resource X"), "{error}");
}

#[test]
fn given_parameter_counts_instead_of_its_default() {
    assert_eq!(window("!Equals [!Ref Size, 5]", &[("Size", "6")]), Ok(2));
    let required = "!Equals [!Ref Required, x]";
    assert_eq!(window(required, &[("Required", "x")]), Ok(1));
    let error = window(required, &[]).unwrap_err();
    assert!(
        error.ends_with(
            "the parameter Required has no value: give it one with --parameter-overrides"
        )
    );
}

#[test]
fn condition_that_refers_to_itself_is_an_error() {
    let error = window("!Condition Loop", &[]).unwrap_err();
    assert!(error.ends_with("it is nested too deeply, or refers to itself"), "{error}");
}
