//! The limits of a process that runs for long: no dumps of its memory, and enough file descriptors.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Keeps the secrets of this process out of core dumps, and out of reach of debuggers of the same
/// user.
pub(crate) fn forbid_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps cannot be turned off");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes of this user can read this one's memory");
    }
}

/// Raises the limit of open files as far as the system permits. Returns the limit.
pub(crate) fn raise_descriptors() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = Rlimit { current: maximum, maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The areas for swapping in the text of `/proc/swaps`, except those that are in memory.
pub(crate) fn swap_areas(text: &str) -> Vec<&str> {
    let areas = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    areas.filter(|area| !area.starts_with("/dev/zram")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_on_a_disk_is_found() {
        let header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert_eq!(swap_areas(header), [""; 0]);
        let text = format!("{header}/dev/zram0 partition 8 0 100\n/swap.img file 8 0 -2\n");
        assert_eq!(swap_areas(&text), ["/swap.img"]);
    }

    #[test]
    fn the_limit_of_open_files_becomes_the_highest() {
        let raised = raise_descriptors();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert!(raised >= 256);
    }
}
