//! `h8lctl node show`: one server in full.

use h8lio_model::condition::Status;
use h8lio_model::inventory::{PackageFacts, RebootReason, RuntimeFacts, UpgradablePackage};
use h8lio_model::lifecycle::Restriction;
use h8lio_model::node::{NodeDetail, NodeView};
use h8lio_model::section::SectionKind;
use jiff::Timestamp;

use super::show_hardware;
use crate::output::{Text, age, ago, duration, instant, joined, or_dash};

/// The page for people. `wide` adds what is long: partitions' devices, every package.
pub fn page(detail: &NodeDetail, as_of: Timestamp, wide: bool) -> String {
    let mut text = Text::new();
    identity(&mut text, &detail.node);
    availability(&mut text, &detail.node, as_of);
    conditions(&mut text, detail, as_of);
    let inventory = &detail.inventory;
    show_hardware::system(&mut text, inventory, as_of);
    show_hardware::disks(&mut text, inventory.disks.as_deref(), wide);
    show_hardware::interfaces(&mut text, inventory.interfaces.as_deref(), wide);
    packages(&mut text, inventory.packages.as_ref(), as_of, wide);
    runtime(&mut text, inventory.runtime.as_ref());
    show_hardware::osds(&mut text, inventory.osds.as_deref());
    if !inventory.problems.is_empty() {
        text.heading("Could not be read");
        for p in &inventory.problems {
            text.line(1, format!("{} ({}): {}", p.what, p.reason, p.message));
        }
    }
    text.finish()
}

fn identity(text: &mut Text, n: &NodeView) {
    text.heading(&format!("Node {}", n.name));
    text.field("id", n.id.to_string());
    text.field("admission", n.admission.as_str());
    match &n.restriction {
        Some(Restriction::Banned { reason, by, at }) => {
            text.field("banned", format!("{} by {by}: {reason}", instant(*at)));
        }
        Some(Restriction::Quarantined { reason, at }) => {
            text.field("quarantined", format!("{}: {reason}", instant(*at)));
        }
        None => {}
    }
    text.field("roles", joined(&n.roles));
    text.field("topology", or_dash(n.topology.as_ref()));
    let labels: Vec<String> = n.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    text.field("labels", joined(&labels));
    text.field("kubernetes", or_dash(n.clusters.kubernetes.as_ref()));
    text.field("ceph", or_dash(n.clusters.ceph_fsid.as_ref()));
    text.field("agent", or_dash(n.agent_version.as_ref()));
    let expires = n.certificate_expires_at.map(instant);
    text.field(
        "certificate",
        expires.map_or_else(
            || "no certificate used yet".to_owned(),
            |at| format!("until {at}"),
        ),
    );
}

fn availability(text: &mut Text, n: &NodeView, as_of: Timestamp) {
    text.heading("Availability");
    let since = n
        .availability_since
        .map(|s| format!(" for {}", duration(age(s, as_of))))
        .unwrap_or_default();
    text.field("state", format!("{}{since}", n.availability));
    text.field("why", &n.availability_reason);
    text.field("last seen", seen(n.last_seen, as_of));
    text.field("scheduling", n.scheduling.as_str());
}

fn seen(t: Option<Timestamp>, as_of: Timestamp) -> String {
    match t {
        Some(_) => format!("{} ago", ago(t, as_of)),
        None => "not since the coordinator's start".to_owned(),
    }
}

fn conditions(text: &mut Text, detail: &NodeDetail, as_of: Timestamp) {
    text.heading("Conditions");
    let n = &detail.node;
    if n.conditions.is_empty() {
        let section = SectionKind::Conditions.as_str();
        let reported = detail.inventory.observed_at.contains_key(section);
        text.line(1, if reported { "none" } else { "not reported yet" });
    }
    for c in &n.conditions {
        let status = match c.status {
            Status::True => "",
            Status::False => " is not so",
            Status::Unknown => " cannot be told",
        };
        let subject = if c.subject.is_empty() {
            String::new()
        } else {
            format!(" {}", c.subject)
        };
        let old = duration(age(c.since, as_of));
        text.line(
            1,
            format!(
                "{}{subject}{status} ({}) for {old}, seen {} ago",
                c.kind.name(),
                c.reason,
                duration(age(c.observed_at, as_of))
            ),
        );
        text.line(2, &c.message);
    }
}

fn packages(text: &mut Text, facts: Option<&PackageFacts>, as_of: Timestamp, wide: bool) {
    text.heading("Packages");
    let Some(p) = facts else {
        return text.line(1, "not reported");
    };
    text.field("manager", or_dash(p.manager.as_ref()));
    text.field("installed", or_dash(p.installed.as_ref()));
    let waiting = match &p.upgradable {
        None => "cannot be told".to_owned(),
        Some(list) => {
            let security = list.iter().filter(|u| u.security).count();
            format!("{} waiting, {security} of them security", list.len())
        }
    };
    text.field("updates", waiting);
    text.field("index", format!("refreshed {}", seen_index(p, as_of)));
    text.field("held", joined(&p.held));
    let broken: Vec<String> = p
        .broken
        .iter()
        .map(|b| format!("{} ({})", b.name, b.state))
        .collect();
    text.field("kept back", joined(&p.kept_back));
    text.field("broken", joined(&broken));
    if p.interrupted == Some(true) {
        text.field("interrupted", "dpkg was cut off in the middle of its work");
    }
    if !p.busy.is_empty() {
        text.field("at work", joined(&p.busy));
    }
    let reboot = match p.reboot_required.required {
        None => "cannot be told".to_owned(),
        Some(false) => "not needed".to_owned(),
        Some(true) => {
            let why: Vec<String> = p.reboot_required.reasons.iter().map(reboot).collect();
            format!("needed: {}", why.join("; "))
        }
    };
    text.field("reboot", reboot);
    text.field("restart", joined(&p.services_to_restart));
    updates(text, p.upgradable.as_deref().unwrap_or_default(), wide);
}

/// Security updates that are named without `wide`.
const UPDATES_SHOWN: usize = 10;

fn updates(text: &mut Text, list: &[UpgradablePackage], wide: bool) {
    let (named, limit) = if wide {
        (list.iter().collect::<Vec<_>>(), usize::MAX)
    } else {
        (list.iter().filter(|u| u.security).collect(), UPDATES_SHOWN)
    };
    for u in named.iter().take(limit) {
        let mark = if u.security { " (security)" } else { "" };
        let line = format!("{} {} -> {}{mark}", u.name, u.installed, u.candidate);
        text.line(2, line);
    }
    if named.len() > limit {
        text.line(2, format!("and {} more (-o wide)", named.len() - limit));
    }
}

fn seen_index(p: &PackageFacts, as_of: Timestamp) -> String {
    match p.index_updated_at {
        Some(_) => format!("{} ago", ago(p.index_updated_at, as_of)),
        None => "at an unknown time".to_owned(),
    }
}

fn reboot(reason: &RebootReason) -> String {
    match reason {
        RebootReason::Kernel { running, installed } => {
            format!("kernel {installed} is installed, {running} runs")
        }
        RebootReason::Sentinel { packages } => format!("wanted by {}", joined(packages)),
        RebootReason::Microcode { loaded, installed } => {
            format!("microcode {installed} is installed, {loaded} is loaded")
        }
        RebootReason::InitLibraries { libraries } => {
            format!("process 1 uses replaced {}", joined(libraries))
        }
    }
}

fn runtime(text: &mut Text, facts: Option<&RuntimeFacts>) {
    text.heading("Container runtime");
    let Some(r) = facts else {
        return text.line(1, "not reported");
    };
    if r.endpoints.is_empty() {
        text.line(1, "no CRI socket found");
    }
    for e in &r.endpoints {
        let state = match &e.error {
            Some(why) => format!("does not answer: {why}"),
            None => {
                let conditions: Vec<String> = e
                    .conditions
                    .iter()
                    .map(|c| format!("{}={}", c.kind, c.status))
                    .collect();
                format!(
                    "{} {} {}",
                    or_dash(e.runtime.as_ref()),
                    or_dash(e.version.as_ref()),
                    conditions.join(" ")
                )
            }
        };
        text.line(1, format!("{}: {state}", e.socket));
    }
    let Some(k) = &r.kubelet else {
        return text.field("kubelet", "not found");
    };
    let healthy = match (k.running, k.healthy) {
        (Some(false), _) => "not running",
        (_, Some(true)) => "healthy",
        (_, Some(false)) => "not healthy",
        (_, None) => "health unknown",
    };
    text.field(
        "kubelet",
        format!(
            "{} {healthy}, made by {}",
            or_dash(k.version.as_ref()),
            or_dash(k.manager.as_ref())
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{as_of, healthy, plain, sick};
    use h8lio_model::inventory::{Health, UnusableReason};

    #[test]
    fn the_page_of_a_sick_node() {
        insta::assert_snapshot!(plain(&page(&sick(), as_of(), false)));
    }

    #[test]
    fn what_was_not_reported_is_said_and_not_left_out() {
        let mut detail = sick();
        detail.inventory = h8lio_model::inventory::Inventory::default();
        let text = plain(&page(&detail, as_of(), false));
        assert_eq!(text.matches("not reported").count(), 6, "{text}");
    }

    #[test]
    fn no_condition_is_told_apart_from_conditions_never_reported() {
        let mut detail = healthy();
        let section = |d: &NodeDetail| {
            let text = plain(&page(d, as_of(), false));
            let (_, rest) = text.split_once("Conditions\n").expect("there");
            rest.lines().next().unwrap_or_default().trim().to_owned()
        };
        assert_eq!(section(&detail), "none");
        detail.inventory.observed_at.remove("conditions");
        assert_eq!(section(&detail), "not reported yet");
    }

    #[test]
    fn what_nobody_knows_is_one_dash_or_one_phrase() {
        let mut detail = healthy();
        detail.node.certificate_expires_at = None;
        detail.inventory.hardware = Some(Default::default());
        let text = plain(&page(&detail, as_of(), false));
        assert!(
            text.contains("certificate    no certificate used yet\n"),
            "{text}"
        );
        assert!(text.contains("model          -\n"), "{text}");
    }

    #[test]
    fn a_disk_says_each_use_once_and_why_its_health_is_unknown_only_when_wide() {
        let mut detail = healthy();
        let disk = &mut detail.inventory.disks.as_mut().expect("sample has disks")[0];
        let mounted = |m: &str| UnusableReason::SystemDisk { mount: m.into() };
        disk.unusable = vec![
            mounted("/"),
            UnusableReason::Partitioned { count: 1 },
            mounted("/boot"),
        ];
        disk.health = Health::Unknown {
            reason: "smartctl is not installed".into(),
        };
        let text = plain(&page(&detail, as_of(), false));
        assert!(
            text.contains("  unknown  system disk (/, /boot); 1 partition\n"),
            "{text}"
        );
        let wide = plain(&page(&detail, as_of(), true));
        assert!(
            wide.contains("unknown: smartctl is not installed"),
            "{wide}"
        );
    }
}
