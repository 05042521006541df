//! What Linux knows of this process, under the names that every exporter has for it.

use std::fmt::Write as _;

/// Steps of the clock in a second, as the kernel counts them in /proc on every platform.
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends what is known; nothing where there is no /proc.
pub(in crate::agent::metrics) fn render(out: &mut String) {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
    // the name in parentheses may hold anything
    let Some((_, fields)) = stat.rsplit_once(')') else { return };
    let fields: Vec<f64> = fields.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    let [Some(user), Some(system), Some(virtual_bytes), Some(started)] =
        [11, 12, 20, 19].map(|index| fields.get(index))
    else {
        return;
    };
    let mut put = |name: &str, kind: &str, help: &str, value: f64| {
        let _ = writeln!(out, "# HELP process_{name} {help}.\n# TYPE process_{name} {kind}\nprocess_{name} {value}");
    };
    put("cpu_seconds_total", "counter", "Time on processors", (user + system) / TICKS_PER_SECOND);
    put("virtual_memory_bytes", "gauge", "Addresses that are in use", *virtual_bytes);
    if let Some(booted) = booted() {
        put("start_time_seconds", "gauge", "When it was started", booted + started / TICKS_PER_SECOND);
    }
    if let Some(resident) = resident() {
        put("resident_memory_bytes", "gauge", "Memory that is in use", resident);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // one of them is this look at them
        put("open_fds", "gauge", "Files that are open", open.count().saturating_sub(1) as f64);
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if let Some(limit) = limit {
        put("max_fds", "gauge", "Files that may be open", limit as f64);
    }
}

/// When the machine was started, in seconds since 1970.
fn booted() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?;
    Some(kib.parse::<f64>().ok()? * 1024.0)
}
