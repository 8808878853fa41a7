//! What this process used, as Linux tells it; nothing where it does not.

use std::time::Duration;

/// Memory in use now, in bytes.
pub fn memory() -> u64 {
    status("VmRSS:")
}

/// The most memory in use at once so far, in bytes.
pub fn peak_memory() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse().ok());
    value.unwrap_or(0_u64) * 1024
}

/// Processor time of the calling thread so far, to a few milliseconds.
pub fn thread_time() -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(schedule.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_memory() {
        assert!(memory() > 0 && peak_memory() >= memory() / 2);
    }
}
