//! Running `ceph-osd` processes, in containers or not.

use h8lio_model::inventory::Problem;
use procfs::process::Process;

use crate::host::osds::RawOsdProcess;
use crate::linux::procs;
use crate::linux::root::{Root, unreadable};

pub(super) fn running(root: &Root) -> Result<Vec<RawOsdProcess>, Problem> {
    let proc = root.join("proc");
    let found = procs::all(&proc).map_err(|e| unreadable("/proc", &e))?;
    let mut all: Vec<RawOsdProcess> = found.filter_map(|p| osd(&p)).collect();
    all.sort_by_key(|p| (p.id, p.pid));
    Ok(all)
}

/// Whether a process seen before is still an OSD.
pub(super) fn is_osd(root: &Root, pid: u32) -> bool {
    procs::one(&root.join("proc"), pid).is_some_and(|p| osd(&p).is_some())
}

fn osd(process: &Process) -> Option<RawOsdProcess> {
    // The name first: of a thousand processes few are worth a second file.
    if procs::name(process)? != "ceph-osd" {
        return None;
    }
    // A zombie keeps its name but has no command line.
    let args = procs::arguments(process)?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (id, cluster_fsid) = identity(&args)?;
    Some(RawOsdProcess {
        pid: process.pid().cast_unsigned(),
        id,
        cluster_fsid,
    })
}

/// `--id N`, `-i N`, `--id=N`, `-n osd.N`, `--name osd.N`; `--fsid F` is the cluster's.
fn identity(args: &[&str]) -> Option<(u32, Option<String>)> {
    let value = |names: &[&str]| {
        args.iter().enumerate().find_map(|(n, arg)| {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (*arg, None),
            };
            let after = args.get(n + 1).copied();
            names.contains(&name).then(|| inline.or(after)).flatten()
        })
    };
    let name = value(&["-n", "--name"]).and_then(|n| n.strip_prefix("osd."));
    let id = value(&["--id", "-i"]).or(name)?.parse().ok()?;
    // A tool run, not a daemon.
    let one_shot = ["--mkfs", "--mkkey", "--flush-journal", "--version"];
    if args.iter().any(|a| one_shot.contains(a)) {
        return None;
    }
    let fsid = value(&["--fsid"]).filter(|f| uuid::Uuid::try_parse(f).is_ok());
    Some((id, fsid.map(str::to_ascii_lowercase)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ceph-osd -f --cluster ceph --id 3 --setuser ceph", Some(3))]
    #[case("/usr/bin/ceph-osd -n osd.12 -f --default-log-to-file=false", Some(12))]
    #[case("ceph-osd --foreground --id=7", Some(7))]
    #[case("ceph-osd -i 4 --mkfs", None)]
    #[case("ceph-osd --id x", None)]
    #[case("ceph-osd --id", None)]
    fn an_osd_is_known_by_its_command_line(#[case] line: &str, #[case] is: Option<u32>) {
        let args: Vec<&str> = line.split(' ').collect();
        assert_eq!(identity(&args).map(|(id, _)| id), is);
    }

    #[test]
    fn rooks_fsid_is_the_clusters() {
        let fsid = "ce6ede7c-dbc5-47ec-98a3-1cae9470c1a9";
        let args = ["ceph-osd", "--id", "0", "--fsid", fsid];
        assert_eq!(identity(&args), Some((0, Some(fsid.to_owned()))));
    }
}
