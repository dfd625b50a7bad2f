//! The metrics in CloudWatch, and those of the dashboard.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::DeployedStack;

/// A metric, with its dimension if it has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// For example `AWS/Lambda`.
    pub namespace: String,
    /// The name within the namespace.
    pub name: String,
    /// The dimension's name and value.
    pub dimension: Option<(String, String)>,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.namespace, self.name)?;
        match &self.dimension {
            Some((_, value)) => write!(f, " {value}"),
            None => Ok(()),
        }
    }
}

impl DeployedStack {
    /// The largest value of each of these metrics in the last hours. Those without data are left out.
    pub async fn largest_values(&self, metrics: &BTreeSet<Metric>) -> BTreeMap<Metric, f64> {
        // CloudWatch API Reference, GetMetricData: at most 500 queries.
        assert!(metrics.len() <= 500, "{}", metrics.len());
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let queries: Vec<_> = metrics.iter().enumerate().map(query).collect();
        let input = json!({
            "MetricDataQueries": queries, "StartTime": now - 10_800, "EndTime": now + 3_600,
        });
        let response = self.call_cloudwatch("GetMetricData", &input).await;
        let results = response["MetricDataResults"].as_array().expect("a list of results");
        assert_eq!(results.len(), metrics.len());
        let largest = |result: &Value| {
            let values = result["Values"].as_array()?.iter().filter_map(Value::as_f64);
            values.reduce(f64::max)
        };
        let found = metrics.iter().zip(results);
        found.filter_map(|(metric, result)| Some((metric.clone(), largest(result)?))).collect()
    }

    /// The metrics that the deployed dashboard shows.
    pub async fn dashboard(&self) -> BTreeSet<Metric> {
        let boards = self.call_cloudwatch("ListDashboards", &json!({})).await;
        let name = &boards["DashboardEntries"][0]["DashboardName"];
        let board = self.call_cloudwatch("GetDashboard", &json!({"DashboardName": name})).await;
        let body: Value = serde_json::from_str(board["DashboardBody"].as_str().expect("a body"))
            .expect("the body of a dashboard is JSON");
        let widgets = body["widgets"].as_array().expect("a dashboard has widgets").iter();
        let metrics = widgets.filter_map(|widget| widget["properties"]["metrics"].as_array());
        metrics.flatten().filter_map(shown).collect()
    }
}

/// A metric of a widget. `None` for an expression.
fn shown(metric: &Value) -> Option<Metric> {
    let parts: Vec<_> = metric.as_array()?.iter().filter_map(Value::as_str).collect();
    let (namespace, name) = (parts.first()?, parts.get(1)?);
    Some(Metric {
        namespace: (*namespace).to_owned(),
        name: (*name).to_owned(),
        dimension: parts
            .get(2)
            .zip(parts.get(3))
            .map(|(key, value)| ((*key).into(), (*value).into())),
    })
}

fn query((number, metric): (usize, &Metric)) -> Value {
    let dimensions =
        metric.dimension.iter().map(|(name, value)| json!({"Name": name, "Value": value}));
    json!({"Id": format!("m{number}"), "MetricStat": {
        "Metric": {
            "Namespace": metric.namespace, "MetricName": metric.name,
            "Dimensions": dimensions.collect::<Vec<_>>(),
        },
        "Period": 3_600, "Stat": "Maximum",
    }})
}
