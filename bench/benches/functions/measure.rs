//! The figures of one system.

use std::{error::Error, fs, path::Path, time::Duration};

use bench::{
    Answer, Dependencies, Quota, Session, Share, Spread, Traffic,
    callgrind::{self, Instructions},
    session::Limited,
};
use serde_json::Value;

use crate::{
    options::Options,
    systems::{System, Work},
};

/// What Lambda gives 128, 256 and 512 MB, and a whole core, which is 1,769 MB (Lambda Developer Guide, "Configure
/// Lambda function memory").
pub(crate) const SHARES: [Share; 4] =
    [Share { divisor: 14 }, Share { divisor: 7 }, Share { divisor: 4 }, Share { divisor: 1 }];

/// Requests before the later ones are measured, so that no code or cache is new.
const UNMEASURED: usize = 10;

/// Later requests whose instructions are counted.
const COUNTED: usize = 50;

/// The starts with one share of the core.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Starts {
    pub(crate) share: Share,
    /// From the start of the process until it asks for an event, in ms.
    pub(crate) init: Spread,
    /// The first answer, in ms, from its event on.
    pub(crate) first: Spread,
    /// Both, with the share from the start of the process on.
    pub(crate) throughout: Spread,
}

/// The later requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Later {
    /// In ms.
    pub(crate) duration: Spread,
    /// Without the time that the services took, in ms.
    pub(crate) overhead: Spread,
    /// Processor time per request, in ms.
    pub(crate) processor: f64,
    pub(crate) traffic: Traffic,
}

/// All figures of a system.
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    pub(crate) starts: Vec<Starts>,
    pub(crate) later: Later,
    /// Processor time until the first answer, in ms.
    pub(crate) start_processor: Spread,
    /// What was called before the first event, and for it.
    pub(crate) init_traffic: Traffic,
    pub(crate) first_traffic: Traffic,
    pub(crate) peak_memory: u64,
    pub(crate) package: usize,
    pub(crate) instructions: Option<Instructions>,
}

/// Numbers the events: a student enrolls once, and an email is sent once.
#[derive(Debug, Default)]
pub(crate) struct Events(usize);

impl Events {
    fn next(&mut self, work: Work) -> std::io::Result<Value> {
        self.0 += 1;
        work.event(self.0)
    }
}

/// Hands over the next event. `Err` if its work was not done.
async fn invoke(
    session: &mut Session<'_>,
    system: &System,
    events: &mut Events,
) -> Result<Answer, Box<dyn Error>> {
    let answer = session.invoke(&events.next(system.work)?).await?;
    if system.work.is_done(&answer.body) {
        return Ok(answer);
    }
    Err(format!("{} responded {}", system.name, answer.body).into())
}

pub(crate) async fn measure(
    system: &System,
    dependencies: &Dependencies,
    options: &Options,
    events: &mut Events,
) -> Result<Figures, Box<dyn Error>> {
    let whole = whole(system, dependencies, options, events).await?;
    let mut starts = Vec::new();
    for share in shares(options) {
        starts.push(with_share(system, dependencies, options, events, share).await?);
    }
    let instructions = instructions(system, dependencies, events).await?;
    Ok(Figures { starts, instructions, ..whole })
}

/// Of a native program, if Valgrind is installed.
async fn instructions(
    system: &System,
    dependencies: &Dependencies,
    events: &mut Events,
) -> Result<Option<Instructions>, Box<dyn Error>> {
    if !system.is_native || !callgrind::is_installed() {
        return Ok(None);
    }
    let alone = [events.next(system.work)?];
    let all = (0..=COUNTED).map(|_| events.next(system.work)).collect::<Result<Vec<_>, _>>()?;
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(system.file_name());
    fs::create_dir_all(&directory)?;
    callgrind::count(&system.program, dependencies, &alone, &all, &directory).await.map(Some)
}

/// The shares that this machine can limit a process to.
fn shares(options: &Options) -> impl Iterator<Item = Share> {
    let can_limit = Quota::create(options.period).inspect_err(|why| {
        eprintln!("skipped: no share of a core without a control group ({why}); try it as root");
    });
    let can_limit = can_limit.is_ok();
    SHARES.into_iter().filter(move |share| can_limit || share.divisor == 1)
}

async fn with_share(
    system: &System,
    dependencies: &Dependencies,
    options: &Options,
    events: &mut Events,
    share: Share,
) -> Result<Starts, Box<dyn Error>> {
    let is_whole = share.divisor == 1;
    let (mut init, mut first, mut throughout) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let after = if is_whole { Limited::Never } else { Limited::AfterInit(share) };
        let mut session =
            Session::start(&system.program, dependencies, after, options.period).await?;
        let answer = invoke(&mut session, system, events).await?;
        init.push(session.init());
        first.push(answer.duration);
        drop(session);
        let always = if is_whole { Limited::Never } else { Limited::FromStart(share) };
        let mut session =
            Session::start(&system.program, dependencies, always, options.period).await?;
        let answer = invoke(&mut session, system, events).await?;
        throughout.push(session.init() + answer.duration);
    }
    Ok(Starts {
        share,
        init: spread(init)?,
        first: spread(first)?,
        throughout: spread(throughout)?,
    })
}

/// With a whole core.
async fn whole(
    system: &System,
    dependencies: &Dependencies,
    options: &Options,
    events: &mut Events,
) -> Result<Figures, Box<dyn Error>> {
    let mut start_processor = Vec::new();
    for _ in 0..options.runs {
        let mut session = unlimited(system, dependencies).await?;
        invoke(&mut session, system, events).await?;
        start_processor.push(session.processor_time()?);
    }
    let mut session = unlimited(system, dependencies).await?;
    let first = invoke(&mut session, system, events).await?;
    for _ in 0..UNMEASURED {
        invoke(&mut session, system, events).await?;
    }
    let before = session.processor_time()?;
    let (mut duration, mut overhead, mut traffic) = (Vec::new(), Vec::new(), None);
    for _ in 0..options.warm {
        let answer = invoke(&mut session, system, events).await?;
        duration.push(answer.duration);
        overhead.push(answer.overhead());
        traffic.get_or_insert(answer.traffic);
    }
    let used = session.processor_time()?.saturating_sub(before);
    let later = Later {
        duration: spread(duration)?,
        overhead: spread(overhead)?,
        processor: used.as_secs_f64() * 1e3 / options.warm as f64,
        traffic: traffic.unwrap_or_default(),
    };
    Ok(Figures {
        name: system.name,
        work: system.work,
        starts: Vec::new(),
        later,
        start_processor: spread(start_processor)?,
        init_traffic: session.init_traffic(),
        first_traffic: first.traffic,
        peak_memory: session.peak_memory()?,
        package: system.package_bytes()?,
        instructions: None,
    })
}

async fn unlimited<'a>(
    system: &System,
    dependencies: &'a Dependencies,
) -> Result<Session<'a>, Box<dyn Error>> {
    Session::start(&system.program, dependencies, Limited::Never, Duration::ZERO).await
}

fn spread(times: Vec<Duration>) -> Result<Spread, &'static str> {
    Spread::of_times(times).ok_or("nothing was measured")
}
