//! `h8lctl node doctor`: what keeps a server from being managed, and the next move for each.
//!
//! A foreign manager in a domain that h8lio only observes is worth knowing and no fault; where
//! the domain is set to `act` it needs attention, because h8lio refuses to act there.

use std::collections::BTreeSet;
use std::time::Duration;

use h8lio_model::condition::{ConditionType, Status};
use h8lio_model::inventory::{Domain, DomainMode, ManagerFacts};
use h8lio_model::lifecycle::{Admission, Availability, Restriction};
use h8lio_model::node::{NodeDetail, NodeView};
use h8lio_model::section::SectionKind;
use jiff::Timestamp;
use serde::Serialize;

use super::handover::handover;
use super::wants_a_look;
use crate::output::{Cell, Table, Text, Tone, age, ago, duration, joined};

/// A section that the agent did not confirm for this long is stale. Agents confirm what has not
/// changed with their reports, which are at most 10 min apart; half as much again is patience.
pub const STALE_AFTER: Duration = Duration::from_secs(15 * 60);

/// The JSON of `node doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    pub node: String,
    /// Nothing needs attention: exit code 0.
    pub healthy: bool,
    pub domains: Vec<DomainState>,
    /// What could not be asked about managers: a domain without one may have one nevertheless.
    pub not_asked: Vec<String>,
    pub findings: Vec<Finding>,
    pub sections: Vec<SectionAge>,
}

/// A domain, what h8lio may do in it, and who else manages it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainState {
    pub domain: Domain,
    /// `null`: the agent did not say.
    pub mode: Option<DomainMode>,
    pub managers: Vec<Manager>,
}

/// A foreign manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manager {
    pub name: String,
    pub evidence: Vec<String>,
    pub hand_over: String,
}

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is about, for example `DiskFailing wwn-0x5` or `smartctl /dev/sda`.
    pub what: String,
    pub reason: String,
    /// The cause and the next move.
    pub message: String,
    pub since: Option<Timestamp>,
    /// How long it has been so, seconds.
    pub age_seconds: Option<u64>,
}

/// How old a part of the inventory is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SectionAge {
    pub section: SectionKind,
    /// `null`: never reported.
    pub observed_at: Option<Timestamp>,
    pub age_seconds: Option<u64>,
    pub stale: bool,
}

/// Everything that is worth saying about `detail` at `as_of`.
pub fn diagnose(detail: &NodeDetail, as_of: Timestamp) -> Diagnosis {
    let domains = domains(detail.inventory.managers.as_ref());
    let sections = sections(detail, as_of);
    let mut findings = membership(&detail.node, as_of);
    findings.extend(conflicts(&domains));
    findings.extend(conditions(&detail.node, &domains, as_of));
    findings.extend(problems(detail));
    findings.extend(staleness(&detail.node, &sections));
    Diagnosis {
        node: detail.node.name.to_string(),
        healthy: findings.is_empty(),
        domains,
        not_asked: not_asked(detail.inventory.managers.as_ref()),
        findings,
        sections,
    }
}

/// What could not be read, unless a condition says so already, and since when.
fn problems(detail: &NodeDetail) -> impl Iterator<Item = Finding> {
    let conditions = detail.node.conditions.iter();
    let failed =
        conditions.filter(|c| c.kind == ConditionType::ProbeFailed && wants_a_look(c.status));
    let told: BTreeSet<&str> = failed.map(|c| c.subject.as_str()).collect();
    let problems = detail.inventory.problems.iter();
    problems
        .filter(move |p| !told.contains(p.what.as_str()))
        .map(|p| Finding {
            what: p.what.clone(),
            reason: p.reason.clone(),
            message: p.message.clone(),
            since: None,
            age_seconds: None,
        })
}

/// Each thing once; systemd is read by several commands.
fn not_asked(facts: Option<&ManagerFacts>) -> Vec<String> {
    let problems = facts.into_iter().flat_map(|f| &f.problems);
    let whats = problems.map(|p| {
        if p.what.starts_with("systemctl") {
            "systemd".to_owned()
        } else {
            p.what.clone()
        }
    });
    whats.collect::<BTreeSet<_>>().into_iter().collect()
}

const DOMAINS: [Domain; 6] = [
    Domain::Patching,
    Domain::Disks,
    Domain::Network,
    Domain::Runtime,
    Domain::PublicIps,
    Domain::Watchdog,
];

fn domains(facts: Option<&ManagerFacts>) -> Vec<DomainState> {
    let managers_of = |domain| -> Vec<Manager> {
        facts
            .into_iter()
            .flat_map(|f| &f.managers)
            .filter(|m| m.domain == domain)
            .map(|m| Manager {
                name: m.name.clone(),
                evidence: m.evidence.clone(),
                hand_over: handover(m),
            })
            .collect()
    };
    DOMAINS
        .into_iter()
        .map(|domain| DomainState {
            domain,
            mode: facts.and_then(|f| mode(f, domain)),
            managers: managers_of(domain),
        })
        .collect()
}

/// The configured mode. Public addresses and the watchdog have none: they are always observed.
fn mode(facts: &ManagerFacts, domain: Domain) -> Option<DomainMode> {
    let configured = facts.modes.get(domain.as_str()).copied();
    configured.or(match domain {
        Domain::PublicIps | Domain::Watchdog => Some(DomainMode::Observe),
        Domain::Patching | Domain::Disks | Domain::Network | Domain::Runtime => None,
    })
}

/// Foreign managers where h8lio is told to act.
fn conflicts(domains: &[DomainState]) -> Vec<Finding> {
    let acting = domains.iter().filter(|d| d.mode == Some(DomainMode::Act));
    acting
        .flat_map(|d| d.managers.iter().map(move |m| (d, m)))
        .map(|(d, m)| Finding {
            what: format!("domain {}", d.domain),
            reason: "ForeignManager".to_owned(),
            message: format!(
                "set to act, but {} manages it, so h8lio does not act there: {}",
                m.name, m.hand_over
            ),
            since: None,
            age_seconds: None,
        })
        .collect()
}

/// Whether it belongs to the fleet and is heard.
fn membership(n: &NodeView, as_of: Timestamp) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut find = |what: &str, reason: &str, message: String, since: Option<Timestamp>| {
        out.push(Finding {
            what: what.to_owned(),
            reason: reason.to_owned(),
            message,
            since,
            age_seconds: since.map(|s| age(s, as_of).as_secs()),
        });
    };
    match &n.restriction {
        Some(Restriction::Banned { reason, by, at }) => find(
            "identity",
            "Banned",
            format!(
                "banned by {by} ({reason}); `h8lctl node unban {}` ends it",
                n.name
            ),
            Some(*at),
        ),
        Some(Restriction::Quarantined { reason, at }) => find(
            "identity",
            "Quarantined",
            format!(
                "{reason}; find the second server, stop its agent, then `h8lctl node approve {}`",
                n.name
            ),
            Some(*at),
        ),
        None => {}
    }
    if n.admission == Admission::Pending {
        let text = format!("waits for a person: `h8lctl node approve {}`", n.name);
        find("admission", "Pending", text, Some(n.created_at));
    }
    if let (Admission::Enrolled, Some(at)) = (n.admission, n.certificate_expires_at)
        && at <= as_of
    {
        let text = format!(
            "the node certificate has expired; if the agent cannot re-attest by itself, `h8lctl node allow-recovery {}`",
            n.name
        );
        find("certificate", "Expired", text, Some(at));
    }
    let banned = matches!(n.restriction, Some(Restriction::Banned { .. }));
    if n.admission == Admission::Enrolled && n.availability != Availability::Online && !banned {
        let text = format!(
            "{}; look at the server: power, network, `systemctl status h8lio-agent`",
            n.availability_reason
        );
        let reason = n.availability.as_str();
        find("availability", reason, text, n.availability_since);
    }
    out
}

/// Conditions that hold or cannot be told. `ForeignManager` is left to the domains where they
/// name the manager.
fn conditions(n: &NodeView, domains: &[DomainState], as_of: Timestamp) -> Vec<Finding> {
    let managers_known = domains.iter().any(|d| !d.managers.is_empty());
    n.conditions
        .iter()
        .filter(|c| wants_a_look(c.status))
        .filter(|c| c.kind != ConditionType::ForeignManager || !managers_known)
        .map(|c| Finding {
            what: format!("{} {}", c.kind.name(), c.subject)
                .trim_end()
                .to_owned(),
            reason: c.reason.clone(),
            message: match c.status {
                Status::Unknown => format!("cannot be told: {}", c.message),
                Status::True | Status::False => c.message.clone(),
            },
            since: Some(c.since),
            age_seconds: Some(age(c.since, as_of).as_secs()),
        })
        .collect()
}

fn sections(detail: &NodeDetail, as_of: Timestamp) -> Vec<SectionAge> {
    SectionKind::ALL
        .into_iter()
        .map(|section| {
            let observed_at = detail.inventory.observed_at.get(section.as_str()).copied();
            let old = observed_at.map(|t| age(t, as_of));
            SectionAge {
                section,
                observed_at,
                age_seconds: old.map(|a| a.as_secs()),
                stale: old.is_some_and(|a| a > STALE_AFTER),
            }
        })
        .collect()
}

/// Stale or missing parts, as one finding each; a pending server has reported nothing yet.
fn staleness(n: &NodeView, sections: &[SectionAge]) -> Vec<Finding> {
    if n.admission != Admission::Enrolled {
        return Vec::new();
    }
    let names = |pick: fn(&SectionAge) -> bool| -> Vec<SectionKind> {
        let picked = sections.iter().filter(|s| pick(s));
        picked.map(|s| s.section).collect()
    };
    let finding = |reason: &str, sections: &[SectionKind], message: &str| Finding {
        what: format!("inventory {}", joined(sections)),
        reason: reason.to_owned(),
        message: message.to_owned(),
        since: None,
        age_seconds: None,
    };
    let mut out = Vec::new();
    let stale = names(|s| s.stale);
    if !stale.is_empty() {
        let text = "not confirmed for more than 15 min, gates that need it say no; is the agent's collector stuck? (journalctl -u h8lio-agent)";
        out.push(finding("Stale", &stale, text));
    }
    // What lives in the coordinator's memory only is absent for a while after its restart.
    let missing = names(|s| s.observed_at.is_none() && s.section.is_durable());
    if !missing.is_empty() {
        let text = "never reported; a domain set to `off` is not read, else look at journalctl -u h8lio-agent";
        out.push(finding("NeverReported", &missing, text));
    }
    out
}

/// The page for people.
pub fn page(d: &Diagnosis) -> String {
    let mut text = Text::new();
    let verdict = match d.findings.len() {
        0 => format!("nothing needs attention{}", observed_only(&d.domains)),
        1 => "1 thing needs attention".to_owned(),
        n => format!("{n} things need attention"),
    };
    text.heading(&format!("Node {}: {verdict}", d.node));
    for f in &d.findings {
        let since = f
            .age_seconds
            .map(|s| format!(" for {}", duration(Duration::from_secs(s))))
            .unwrap_or_default();
        text.line(1, format!("{} ({}){since}", f.what, f.reason));
        text.line(2, &f.message);
    }
    text.heading("Domains and their managers");
    for domain in &d.domains {
        let managers = match (domain.mode, domain.managers.is_empty()) {
            (_, false) => "foreign manager found".to_owned(),
            (Some(DomainMode::Off), true) => "not looked at".to_owned(),
            (None, true) => "not reported".to_owned(),
            (Some(_), true) => none_found(&d.not_asked),
        };
        text.field(
            domain.domain.as_str(),
            format!("{:<8} {managers}", mode_word(domain.mode)),
        );
        for m in &domain.managers {
            text.line(2, format!("{}: {}", m.name, joined(&m.evidence)));
            text.line(2, format!("-> {}", m.hand_over));
        }
    }
    text.heading("Age of what is known");
    text.table(&ages(&d.sections), "nothing was reported");
    text.finish()
}

/// Managers that are no finding, for a page that would not speak of them otherwise.
fn observed_only(domains: &[DomainState]) -> String {
    let managed = domains.iter().filter(|d| !d.managers.is_empty()).count();
    match managed {
        0 => String::new(),
        1 => "; 1 domain has another manager (observed only)".to_owned(),
        n => format!("; {n} domains have another manager (observed only)"),
    }
}

/// No manager was found, as far as could be asked.
fn none_found(not_asked: &[String]) -> String {
    match not_asked {
        [] => "no foreign manager found".to_owned(),
        [only] => format!("none found, but {only} could not be asked"),
        [first, more @ ..] => format!(
            "none found, but {first} and {} more could not be asked (see above)",
            more.len()
        ),
    }
}

const fn mode_word(mode: Option<DomainMode>) -> &'static str {
    match mode {
        None => "unknown",
        Some(DomainMode::Off) => "off",
        Some(DomainMode::Observe) => "observe",
        Some(DomainMode::Act) => "act",
    }
}

fn ages(sections: &[SectionAge]) -> Table {
    let mut table = Table::new(&["SECTION", "AGE", "STATE"]);
    for s in sections {
        let state = match (s.observed_at, s.stale) {
            (None, _) => Cell::toned("never reported", Tone::Warn),
            (_, true) => Cell::toned("stale", Tone::Bad),
            (_, false) => Cell::toned("fresh", Tone::Good),
        };
        let old = s.age_seconds.map_or_else(
            || ago(None, Timestamp::UNIX_EPOCH),
            |s| duration(Duration::from_secs(s)),
        );
        table.row(vec![s.section.as_str().into(), old.into(), state]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{as_of, healthy, plain, sick};
    use h8lio_model::inventory::Problem;

    fn reasons(d: &Diagnosis) -> Vec<String> {
        d.findings
            .iter()
            .map(|f| format!("{} {}", f.what, f.reason))
            .collect()
    }

    #[test]
    fn a_sound_node_needs_no_attention_even_with_a_foreign_manager_in_observe() {
        let d = diagnose(&healthy(), as_of());
        assert!(d.healthy, "{:?}", reasons(&d));
        assert!(d.domains.iter().any(|d| !d.managers.is_empty()));
    }

    #[test]
    fn managers_that_are_only_observed_are_in_the_verdict() {
        let text = plain(&page(&diagnose(&healthy(), as_of())));
        assert!(
            text.starts_with(
                "Node r1-s1: nothing needs attention; 1 domain has another manager (observed only)\n"
            ),
            "{text}"
        );
        let mut detail = healthy();
        let managers = detail.inventory.managers.as_mut().expect("sample has them");
        managers.managers.clear();
        let text = plain(&page(&diagnose(&detail, as_of())));
        assert!(text.starts_with("Node r1-s1: nothing needs attention\n"));
    }

    #[test]
    fn none_found_is_no_promise_where_systemd_could_not_be_asked() {
        let mut detail = healthy();
        let managers = detail.inventory.managers.as_mut().expect("sample has them");
        let problem = |what: &str| Problem {
            what: what.into(),
            ..sick().inventory.problems[0].clone()
        };
        managers.problems = vec![problem("systemd"), problem("systemctl list-units")];
        let d = diagnose(&detail, as_of());
        assert_eq!(d.not_asked, ["systemd"]);
        let text = plain(&page(&d));
        let found = text.matches("none found, but systemd could not be asked");
        assert_eq!(found.count(), 5, "{text}");
        assert!(!text.contains("no foreign manager found"), "{text}");
    }

    #[test]
    fn a_domain_is_unknown_only_when_the_agent_said_nothing() {
        let mut detail = healthy();
        detail.inventory.managers = None;
        let text = plain(&page(&diagnose(&detail, as_of())));
        assert_eq!(text.matches("unknown  not reported").count(), 6, "{text}");
    }

    #[test]
    fn a_foreign_manager_needs_attention_where_the_domain_is_set_to_act() {
        let mut detail = healthy();
        let managers = detail.inventory.managers.as_mut().expect("sample has them");
        managers.modes.insert("patching".into(), DomainMode::Act);
        let d = diagnose(&detail, as_of());
        assert_eq!(reasons(&d), ["domain patching ForeignManager"]);
    }

    #[test]
    fn a_false_condition_needs_no_attention_and_an_unknown_one_does() {
        let mut detail = healthy();
        let mut c = sick().node.conditions[0].clone();
        c.status = Status::False;
        detail.node.conditions = vec![c.clone()];
        assert!(diagnose(&detail, as_of()).healthy);
        c.status = Status::Unknown;
        detail.node.conditions = vec![c];
        let d = diagnose(&detail, as_of());
        assert!(d.findings[0].message.starts_with("cannot be told"));
    }

    #[test]
    fn a_probe_that_failed_is_told_once_with_its_age() {
        let mut detail = healthy();
        let problem = sick().inventory.problems[0].clone();
        detail.inventory.problems = vec![problem.clone()];
        let alone = diagnose(&detail, as_of());
        assert_eq!(alone.findings.len(), 1, "{:?}", reasons(&alone));
        let mut condition = sick().node.conditions[0].clone();
        condition.kind = ConditionType::ProbeFailed.into();
        condition.subject.clone_from(&problem.what);
        detail.node.conditions = vec![condition];
        let d = diagnose(&detail, as_of());
        assert_eq!(d.findings.len(), 1, "{:?}", reasons(&d));
        assert!(d.findings[0].since.is_some());
    }

    #[test]
    fn a_section_becomes_stale_right_after_fifteen_minutes() {
        let mut detail = healthy();
        let at = |s| {
            as_of()
                .checked_sub(Duration::from_secs(s))
                .expect("in range")
        };
        detail.inventory.observed_at.insert("disks".into(), at(900));
        assert!(diagnose(&detail, as_of()).healthy);
        detail.inventory.observed_at.insert("disks".into(), at(901));
        let d = diagnose(&detail, as_of());
        assert_eq!(reasons(&d), ["inventory disks Stale"]);
    }

    #[test]
    fn a_section_never_reported_is_said() {
        let mut detail = healthy();
        detail.inventory.observed_at.remove("network");
        let d = diagnose(&detail, as_of());
        assert_eq!(reasons(&d), ["inventory network NeverReported"]);
    }

    #[test]
    fn pending_banned_and_expired_each_have_a_next_move() {
        let mut detail = healthy();
        detail.node.certificate_expires_at = Some(as_of());
        assert_eq!(
            reasons(&diagnose(&detail, as_of())),
            ["certificate Expired"]
        );
        detail.node.certificate_expires_at = None;
        detail.node.admission = Admission::Pending;
        assert_eq!(reasons(&diagnose(&detail, as_of())), ["admission Pending"]);
        detail.node.admission = Admission::Enrolled;
        detail.node.restriction = Some(Restriction::Banned {
            reason: "stolen".into(),
            by: "ada".into(),
            at: as_of(),
        });
        let d = diagnose(&detail, as_of());
        assert_eq!(reasons(&d), ["identity Banned"]);
        assert!(d.findings[0].message.contains("h8lctl node unban"));
    }

    #[test]
    fn the_page_of_a_sick_node() {
        insta::assert_snapshot!(plain(&page(&diagnose(&sick(), as_of()))));
    }
}
