//! A control group whose processes get a share of one core, as Lambda gives a function by its memory.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// The part of a core: one `divisor`th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub divisor: u32,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.divisor == 1 { f.write_str("1 core") } else { write!(f, "1/{}", self.divisor) }
    }
}

/// Where a controller of processor time is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// Linux kernel, "CFS Bandwidth Control".
    V1,
    /// Linux kernel, "Control Group v2", CPU.
    V2,
}

const V1_ROOT: &str = "/sys/fs/cgroup/cpu";
const V2_ROOT: &str = "/sys/fs/cgroup";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A control group of its own, until it is dropped. Its processes must have ended by then.
#[derive(Debug)]
pub struct Quota {
    group: PathBuf,
    version: Version,
    period: Duration,
}

impl Quota {
    /// A group without a limit. `Err` if this machine has no controller that this user may change.
    pub fn create(period: Duration) -> io::Result<Self> {
        let (root, version) = if Path::new(V1_ROOT).join("cpu.cfs_quota_us").exists()
            || Path::new(V1_ROOT).join("cpu.shares").exists()
        {
            (V1_ROOT, Version::V1)
        } else {
            fs::write(Path::new(V2_ROOT).join("cgroup.subtree_control"), "+cpu")?;
            (V2_ROOT, Version::V2)
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("registrar-bench-{}-{number}", process::id());
        let quota = Self { group: Path::new(root).join(name), version, period };
        fs::create_dir(&quota.group)?;
        Ok(quota)
    }

    /// Moves a process into the group.
    pub fn admit(&self, pid: u32) -> io::Result<()> {
        fs::write(self.group.join("cgroup.procs"), pid.to_string())
    }

    /// From now on the group gets this share of one core.
    pub fn limit(&self, share: Share) -> io::Result<()> {
        let period = self.period.as_micros();
        let quota = period / u128::from(share.divisor);
        match self.version {
            Version::V1 => {
                fs::write(self.group.join("cpu.cfs_period_us"), period.to_string())?;
                fs::write(self.group.join("cpu.cfs_quota_us"), quota.to_string())
            }
            Version::V2 => fs::write(self.group.join("cpu.max"), format!("{quota} {period}")),
        }
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // Fails only if a process is still in it; an empty group costs nothing.
        drop(fs::remove_dir(&self.group));
    }
}
