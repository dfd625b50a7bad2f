//! What Linux knows of a running process (proc(5)).

use std::{fs, io, time::Duration};

/// The processor time of all its threads that are alive.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        let used = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += used.split(' ').next().and_then(|used| used.parse().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The most memory that it had so far, in bytes (`VmHWM`, resident).
pub fn peak_memory(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1_024).ok_or_else(|| io::Error::other("no VmHWM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let pid = std::process::id();
        assert!(processor_time(pid).unwrap() > Duration::ZERO);
        assert!(peak_memory(pid).unwrap() > 1 << 20);
    }
}
