//! Reads the figures from `CloudWatch`.

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{Dimension, Metric, MetricDataQuery, MetricStat},
};
use time::OffsetDateTime;

use crate::aws_call::CallFailed;

use super::figure::{Figure, MINUTE, Measured, Minutes, settled_until, start_of_minute};

const SECONDS_PER_MINUTE: i32 = 60;

/// The names that the metrics of a stack have as dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) stack: String,
    pub(super) queue: String,
    pub(super) worker: String,
}

/// One metric with its statistic.
#[derive(Debug, PartialEq, Eq)]
struct Source<'a> {
    namespace: String,
    metric: &'static str,
    dimension: Option<(&'static str, &'a str)>,
    statistic: &'static str,
}

impl Names {
    /// Our own are in `docs/metrics.md`. AWS's: SQS Developer Guide, "Available CloudWatch metrics for Amazon
    /// SQS"; Lambda Developer Guide, "Types of metrics for Lambda functions".
    fn source(&self, figure: Figure) -> Source<'_> {
        let ours = |metric, dimension, statistic| Source {
            namespace: format!("Registrar/{}", self.stack),
            metric,
            dimension,
            statistic,
        };
        let sqs = |metric| Source {
            namespace: "AWS/SQS".to_owned(),
            metric,
            dimension: Some(("QueueName", &*self.queue)),
            statistic: "Maximum",
        };
        match figure {
            Figure::Enrolled => ours("EnrollmentRequests", Some(("outcome", "enrolled")), "Sum"),
            Figure::Attempts => ours("SesTime", None, "SampleCount"),
            Figure::Accepted => ours("EmailsSent", None, "Sum"),
            Figure::Suppressed => ours("EmailsSuppressed", None, "Sum"),
            Figure::Delivered => ours("DeliveryEvents", Some(("kind", "delivered")), "Sum"),
            Figure::Bounced => ours("DeliveryEvents", Some(("kind", "bounced")), "Sum"),
            Figure::Complained => ours("DeliveryEvents", Some(("kind", "complained")), "Sum"),
            Figure::Rejected => ours("DeliveryEvents", Some(("kind", "rejected")), "Sum"),
            Figure::Limit => ours("LimitPerMinute", None, "Maximum"),
            Figure::Ready => sqs("ApproximateNumberOfMessagesVisible"),
            Figure::Hidden => sqs("ApproximateNumberOfMessagesNotVisible"),
            Figure::Workers => Source {
                namespace: "AWS/Lambda".to_owned(),
                metric: "ConcurrentExecutions",
                dimension: Some(("FunctionName", &*self.worker)),
                statistic: "Maximum",
            },
        }
    }
}

/// Reads the settled minutes since `from`, which is at most a few hours ago. Needs `cloudwatch:GetMetricData`,
/// which is charged per metric: one call asks for as many as there are figures.
pub(super) async fn read(
    client: &Client,
    names: &Names,
    from: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Measured, CallFailed> {
    const OPERATION: &str = "reading the metrics";
    let (from, until) = (start_of_minute(from), settled_until(now));
    let mut measured = Measured { from, until, minutes: Minutes::new() };
    if from >= until {
        return Ok(measured);
    }
    let time = |at: OffsetDateTime| DateTime::from_secs(at.unix_timestamp());
    let queries = Figure::ALL.into_iter().enumerate();
    let queries = queries.map(|(number, figure)| query(number, &names.source(figure)));
    let request = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries.collect()))
        .start_time(time(from))
        .end_time(time(until));
    // A page has up to 100,800 values ("GetMetricData", `MaxDatapoints`), but the service may return fewer.
    let mut pages = request.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| CallFailed::new(OPERATION, error))?;
        for result in page.metric_data_results() {
            let Some(figure) = result.id().and_then(of_id) else { continue };
            for (at, &value) in result.timestamps().iter().zip(result.values()) {
                let Ok(at) = OffsetDateTime::from_unix_timestamp(at.secs()) else { continue };
                if at >= from && at + MINUTE <= until {
                    measured.minutes.entry(start_of_minute(at)).or_default().insert(figure, value);
                }
            }
        }
    }
    Ok(measured)
}

/// The index in [`Figure::ALL`] is in the query's id, which must begin with a lower-case letter.
fn query(number: usize, source: &Source<'_>) -> MetricDataQuery {
    let dimension = source
        .dimension
        .map(|(name, value)| vec![Dimension::builder().name(name).value(value).build()]);
    let metric = Metric::builder()
        .namespace(&source.namespace)
        .metric_name(source.metric)
        .set_dimensions(dimension)
        .build();
    let statistic = MetricStat::builder()
        .metric(metric)
        .period(SECONDS_PER_MINUTE)
        .stat(source.statistic)
        .build();
    MetricDataQuery::builder().id(format!("figure{number}")).metric_stat(statistic).build()
}

fn of_id(id: &str) -> Option<Figure> {
    let number: usize = id.strip_prefix("figure")?.parse().ok()?;
    Figure::ALL.get(number).copied()
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::{
        operation::get_metric_data::GetMetricDataOutput, types::MetricDataResult,
    };
    use aws_smithy_mocks::{mock, mock_client};
    use time::Duration;

    use super::*;

    const NOON: i64 = 1_764_417_600;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOON + seconds).unwrap()
    }

    fn names() -> Names {
        Names { stack: "registrar".into(), queue: "emails".into(), worker: "worker".into() }
    }

    #[tokio::test]
    async fn settled_minutes_are_read_from_every_page_by_figure() {
        let result = |id: &str, seconds: i64, value: f64| {
            MetricDataResult::builder()
                .id(id)
                .timestamps(DateTime::from_secs(NOON + seconds))
                .values(value)
                .build()
        };
        let first = mock!(Client::get_metric_data)
            .match_requests(|request| {
                let queries = request.metric_data_queries();
                let metric = queries[2].metric_stat().unwrap().metric().unwrap();
                request.next_token().is_none()
                    && request.start_time() == Some(&DateTime::from_secs(NOON))
                    && request.end_time() == Some(&DateTime::from_secs(NOON + 180))
                    && queries.len() == Figure::ALL.len()
                    && metric.namespace() == Some("Registrar/registrar")
                    && metric.metric_name() == Some("EmailsSent")
            })
            .then_output(move || {
                GetMetricDataOutput::builder()
                    .metric_data_results(result("figure2", 60, 7.0))
                    // Not settled, and not one of ours.
                    .metric_data_results(result("figure2", 180, 3.0))
                    .metric_data_results(result("figure99", 60, 9.0))
                    .next_token("more")
                    .build()
            });
        let second = mock!(Client::get_metric_data)
            .match_requests(|request| request.next_token() == Some("more"))
            .then_output(move || {
                let result = result("figure11", 60, 2.0);
                GetMetricDataOutput::builder().metric_data_results(result).build()
            });
        let client = mock_client!(aws_sdk_cloudwatch, [&first, &second]);
        let measured = read(&client, &names(), at(1), at(310)).await.unwrap();
        let minute = [(Figure::Accepted, 7.0), (Figure::Workers, 2.0)].into();
        let minutes = [(at(60), minute)].into();
        assert_eq!(measured, Measured { from: at(0), until: at(180), minutes });
    }

    #[tokio::test]
    async fn without_a_settled_minute_cloudwatch_is_not_asked() {
        let client = mock_client!(aws_sdk_cloudwatch, []);
        let measured = read(&client, &names(), at(60), at(179)).await.unwrap();
        assert!(measured.minutes.is_empty());
        assert_eq!(measured.until, at(60) - Duration::MINUTE);
    }

    /// A test of the workspace compares the table with the template.
    #[test]
    fn our_metrics_are_those_of_the_documented_table() {
        let table = include_str!("../../../docs/metrics.md");
        let names = names();
        for source in Figure::ALL.map(|figure| names.source(figure)) {
            if source.namespace == "Registrar/registrar" {
                let name = format!("| `{}` |", source.metric);
                let row = table.lines().find(|line| line.starts_with(&name));
                let row = row.unwrap_or_else(|| panic!("no metric {}", source.metric));
                for part in source.dimension.into_iter().flat_map(|(name, value)| [name, value]) {
                    assert!(row.contains(&format!("`{part}`")), "no {part} in {row}");
                }
            }
        }
    }

    #[test]
    fn every_figure_has_a_metric_of_its_own() {
        let names = names();
        for (number, figure) in Figure::ALL.into_iter().enumerate() {
            let source = names.source(figure);
            let id = query(number, &source).id().map(str::to_owned);
            assert_eq!(of_id(&id.unwrap()), Some(figure));
            let others = Figure::ALL.into_iter().filter(|other| *other != figure);
            assert!(others.into_iter().all(|other| names.source(other) != source), "{figure:?}");
        }
    }
}
