//! What `/proc` says about processes: enough to recognise a process, so that no other process is ever
//! signalled.

use std::{fs, path::PathBuf};

/// One process, as `/proc/PID/stat` shows it.
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) group: i32,
    /// When it started, in clock ticks since boot. Together with the boot's id, this tells the process from a
    /// later one that got the same number.
    pub(crate) start_ticks: u64,
    /// Whether it has ended and waits to be collected by its parent.
    pub(crate) is_zombie: bool,
}

impl Process {
    /// Returns the process with this id, if there is one.
    pub(crate) fn find(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the command in brackets, which may itself contain spaces and brackets.
        let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
        Some(Self {
            pid,
            is_zombie: matches!(*fields.first()?, "Z" | "X"),
            group: fields.get(2)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }

    /// Returns its working directory, if we may see it.
    pub(crate) fn working_directory(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()
    }
}

/// The living processes of a group.
pub(crate) fn group_members(group: i32) -> Vec<Process> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Process::find)
        .filter(|process| process.group == group && !process.is_zombie)
        .collect()
}

/// The id of the machine's current boot.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_in_its_group() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let me = Process::find(pid).unwrap();
        assert!(!me.is_zombie && me.start_ticks > 0);
        assert_eq!(me.working_directory(), std::env::current_dir().ok());
        assert!(group_members(me.group).iter().any(|process| process.pid == pid));
        assert!(!boot_id().is_empty());
    }
}
