//! A picture of several runs of one task, as SVG. It shows the sends so far beside the slope of the limit, and the
//! number of sends in the window that ends at each moment.

use std::{
    fmt::{self, Write as _},
    ops::Range,
    time::Duration,
};

use pacer::Window;

use crate::run::{Run, Task};

const WIDTH: f64 = 880.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const PANEL: f64 = 230.0;
const FIRST_TOP: f64 = 92.0;
const SECOND_TOP: f64 = FIRST_TOP + PANEL + 72.0;
const HEIGHT: f64 = SECOND_TOP + PANEL + 56.0;

/// Ours first. It is drawn last, on top of the others.
const COLOURS: [&str; 3] = ["#1d4ed8", "#d97706", "#7c3aed"];
const LIMIT: &str = "#dc2626";
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#334155}\
    .title{font-size:16px;font-weight:600;fill:#0f172a}.panel{font-weight:600;fill:#0f172a}\
    .grid{stroke:#e2e8f0}.axis{stroke:#94a3b8}\
    .line{fill:none;stroke-width:2;stroke-linejoin:round}\
    .limit{fill:none;stroke:#dc2626;stroke-width:1.5;stroke-dasharray:6 4}";

/// Draws the runs, which must be of one task.
pub(crate) fn draw(runs: &[&Run]) -> Result<String, fmt::Error> {
    let Some(task) = runs.first().map(|run| run.task) else { return Ok(String::new()) };
    let mut svg = String::new();
    head(&mut svg, runs, task)?;
    totals(&mut svg, runs, task)?;
    windows(&mut svg, runs, task)?;
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn head(svg: &mut String, runs: &[&Run], task: Task) -> fmt::Result {
    let Task { limit, window, pattern, .. } = task;
    let seconds = window.get().as_secs();
    write!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">
<title>{limit} sends in any {seconds} s, with {}</title>
<style>{STYLE}</style>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text class="title" x="{LEFT}" y="30">{limit} sends in any {seconds} s, with {}</text>
"##,
        pattern.name(),
        pattern.name()
    )?;
    let mut x = LEFT;
    for (run, colour) in runs.iter().zip(COLOURS) {
        let name = run.system.replace('*', "");
        writeln!(
            svg,
            r#"<path class="line" stroke="{colour}" d="M{x} 52h22"/><text x="{}" y="56">{name}</text>"#,
            x + 28.0
        )?;
        x += 60.0 + 7.2 * count(name.len());
    }
    writeln!(
        svg,
        r#"<path class="limit" d="M{x} 52h22"/><text x="{}" y="56">the limit</text>"#,
        x + 28.0
    )
}

/// Sends so far, over time.
fn totals(svg: &mut String, runs: &[&Run], task: Task) -> fmt::Result {
    let max = runs.iter().map(|run| run.sends.len()).max().unwrap_or(0);
    let panel = Panel::new(FIRST_TOP, shown(task), count(max) * 1.05);
    panel.frame(svg, "sends so far")?;
    let rate = f64::from(task.limit.get()) / task.window.get().as_secs_f64();
    let begins = task.pattern.backlog_after(task.window).as_secs_f64();
    let lasts = (panel.max / rate).min(panel.seconds - begins);
    panel.limit(svg, [(begins, 0.0), (begins + lasts, lasts * rate)])?;
    for (run, colour) in runs.iter().zip(COLOURS).rev() {
        let steps = run.sends.iter().zip(1..).map(|(send, sent)| (send.as_secs_f64(), count(sent)));
        panel.steps(svg, colour, steps)?;
    }
    Ok(())
}

/// Sends in the window that ends now, over time.
fn windows(svg: &mut String, runs: &[&Run], task: Task) -> fmt::Result {
    let limit = f64::from(task.limit.get());
    let max = runs.iter().map(|run| run.max_in_window).max().unwrap_or(0);
    let panel = Panel::new(SECOND_TOP, shown(task), count(max).max(limit) * 1.1);
    let label = format!("sends in the last {} s", task.window.get().as_secs());
    panel.frame(svg, &label)?;
    let (over, width) = (panel.y(limit) - panel.top, WIDTH - LEFT - RIGHT);
    writeln!(
        svg,
        r#"<rect x="{LEFT}" y="{}" width="{width}" height="{over:.1}" fill="{LIMIT}" opacity="0.06"/>"#,
        panel.top
    )?;
    for (run, colour) in runs.iter().zip(COLOURS).rev() {
        panel.steps(svg, colour, sliding(&run.sends, task.window).into_iter())?;
    }
    panel.limit(svg, [(0.0, limit), (panel.seconds, limit)])
}

/// The time that is shown. It ends shortly before the measurement, which could cut a burst in two.
fn shown(task: Task) -> Duration {
    task.lasts().saturating_sub(task.window.get() / 20)
}

/// The number of sends in the half-open window that ends at a moment, for each moment at which it changes.
fn sliding(sends: &[Duration], window: Window) -> Vec<(f64, f64)> {
    let mut changes: Vec<(Duration, i32)> =
        sends.iter().flat_map(|&send| [(send, 1), (send + window.get(), -1)]).collect();
    // A window does not include its end: at the same moment, sends leave before others enter.
    changes.sort_unstable();
    let mut inside = 0;
    changes
        .into_iter()
        .map(|(at, change)| {
            inside += change;
            (at.as_secs_f64(), f64::from(inside))
        })
        .collect()
}

/// One of the two diagrams.
struct Panel {
    top: f64,
    seconds: f64,
    max: f64,
}

impl Panel {
    fn new(top: f64, lasts: Duration, max: f64) -> Self {
        Self { top, seconds: lasts.as_secs_f64(), max }
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + seconds / self.seconds * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        self.top + PANEL * (1.0 - value / self.max)
    }

    fn frame(&self, svg: &mut String, label: &str) -> fmt::Result {
        let (bottom, right) = (self.top + PANEL, WIDTH - RIGHT);
        writeln!(svg, r#"<text class="panel" x="{LEFT}" y="{}">{label}</text>"#, self.top - 10.0)?;
        for value in ticks(0.0..self.max) {
            let y = self.y(value);
            writeln!(
                svg,
                r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/><text x="{}" y="{:.1}" text-anchor="end">{value}</text>"#,
                LEFT - 8.0,
                y + 4.0
            )?;
        }
        for value in ticks(0.0..self.seconds) {
            writeln!(
                svg,
                r#"<text x="{:.1}" y="{}" text-anchor="middle">{value} s</text>"#,
                self.x(value),
                bottom + 20.0
            )?;
        }
        writeln!(svg, r#"<path class="axis" d="M{LEFT} {bottom}H{right}"/>"#)
    }

    fn limit(&self, svg: &mut String, [from, to]: [(f64, f64); 2]) -> fmt::Result {
        writeln!(
            svg,
            r#"<path class="limit" d="M{:.1} {:.1}L{:.1} {:.1}"/>"#,
            self.x(from.0),
            self.y(from.1),
            self.x(to.0),
            self.y(to.1)
        )
    }

    /// A line that keeps its value until the next point. Points closer than a pixel are left out.
    fn steps(
        &self,
        svg: &mut String,
        colour: &str,
        points: impl Iterator<Item = (f64, f64)>,
    ) -> fmt::Result {
        write!(svg, r#"<path class="line" stroke="{colour}" d="M{LEFT} {:.1}"#, self.y(0.0))?;
        let mut drawn = (LEFT, self.y(0.0));
        for (seconds, value) in points.take_while(|&(seconds, _)| seconds <= self.seconds) {
            let (x, y) = (self.x(seconds), self.y(value));
            if (x - drawn.0).abs() + (y - drawn.1).abs() >= 1.0 {
                write!(svg, "H{x:.1}V{y:.1}")?;
                drawn = (x, y);
            }
        }
        writeln!(svg, "H{}\"/>", WIDTH - RIGHT)
    }
}

/// Four to eight round numbers.
fn ticks(range: Range<f64>) -> impl Iterator<Item = f64> {
    let rough = (range.end - range.start) / 8.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = step.into_iter().find(|&step| step >= rough).unwrap_or(rough);
    (0..=8).map(move |n| f64::from(n) * step).take_while(move |&value| value <= range.end)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(count: usize) -> f64 {
    count as f64
}
