//! From the table `[maintenance]` to what the planner takes, or to the first thing that is wrong.

mod health;

use std::error::Error;
use std::ops::Range;
use std::time::Duration;

use std::collections::BTreeMap;

use h8lio_model::release::{NoRelease, Release};
use h8lio_model::rollout::{Selector, WindowSpec};
use h8lio_planner::calendar::{self, BadWindow, FreezeTime, Stretch};
use h8lio_planner::constraints::{
    BadConstraint, Constraints, Declared, Level, Members, Rule, UNDECLARED,
};
use h8lio_planner::inventory::Inventory;
use h8lio_planner::policy::Policy;
use jiff::{SignedDuration, Timestamp};
use toml::Spanned;

use super::duration::{Length, show};
use super::maintenance::{Constraint, Freeze, LevelName, Maintenance, RuleName, Window};

pub use health::{HealthHow, HealthProbe};

/// A node's turn takes between a second and a day.
const ESTIMATE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(86_400));

/// What holds for every rollout.
#[derive(Debug, Clone)]
pub struct Rules {
    pub policy: Policy,
    pub constraints: Vec<Declared>,
    pub estimate: SignedDuration,
    /// By name.
    pub health: BTreeMap<String, HealthProbe>,
}

/// What is wrong, and where in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct Wrong {
    pub key: String,
    /// `None`: a default is wrong, or a key is missing.
    pub at: Option<Range<usize>>,
    pub problem: String,
}

impl Wrong {
    fn at<T>(key: &str, place: &Spanned<T>, problem: impl Into<String>) -> Self {
        Self {
            key: format!("maintenance.{key}"),
            at: Some(place.span()),
            problem: problem.into(),
        }
    }
}

impl Maintenance {
    /// Checks everything. Reads the time zones of the system, and no clock: whether a window ever
    /// opens does not depend on today.
    ///
    /// # Errors
    /// The first [`Wrong`].
    pub fn rules(&self) -> Result<Rules, Wrong> {
        let (least, most) = ESTIMATE;
        if !(least..=most).contains(&self.estimate) {
            return Err(Wrong {
                key: "maintenance.estimate".to_owned(),
                at: None,
                problem: format!(
                    "{} is outside {} to {}",
                    show(self.estimate),
                    show(least),
                    show(most)
                ),
            });
        }
        let windows = self.windows.iter().map(window);
        let freezes = self.freezes.iter().map(freeze);
        Ok(Rules {
            policy: Policy {
                windows: windows.collect::<Result<_, _>>()?,
                freezes: freezes.collect::<Result<_, _>>()?,
                accept_agent: self.accept_agent.as_ref().map(release).transpose()?,
                ..Policy::default()
            },
            constraints: constraints(&self.constraints)?,
            estimate: signed(self.estimate),
            health: health::probes(&self.health)?,
        })
    }
}

/// Configured durations are far below what does not fit.
fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn release(text: &Spanned<String>) -> Result<Release, Wrong> {
    let read = text.get_ref().parse();
    read.map_err(|no: NoRelease| Wrong::at("accept_agent", text, no.to_string()))
}

fn window(window: &Window) -> Result<Stretch, Wrong> {
    stretch("windows", &window.cron, &window.lasts, &window.zone)
}

fn stretch(
    list: &str,
    cron: &Spanned<String>,
    lasts: &Spanned<Length>,
    zone: &Spanned<String>,
) -> Result<Stretch, Wrong> {
    let spec = WindowSpec {
        cron: cron.get_ref().clone(),
        lasts: signed(lasts.get_ref().0),
        zone: zone.get_ref().clone(),
    };
    Stretch::compile(&spec, jiff::tz::db(), Timestamp::UNIX_EPOCH).map_err(|bad| {
        let problem = bad.to_string();
        match bad {
            BadWindow::NoCron { .. } | BadWindow::NeverOpens { .. } => {
                Wrong::at(&format!("{list}.cron"), cron, problem)
            }
            BadWindow::NoZone { .. } => Wrong::at(&format!("{list}.zone"), zone, problem),
            BadWindow::NoLength { .. } => Wrong::at(&format!("{list}.lasts"), lasts, problem),
        }
    })
}

fn freeze(freeze: &Freeze) -> Result<calendar::Freeze, Wrong> {
    let name = freeze.name.get_ref().clone();
    let unclear = || {
        let problem = format!(
            "freeze {name:?} needs either `from` (and `until`, where it ends) or all of `cron`, \
             `lasts` and `zone`"
        );
        Wrong::at("freezes", &freeze.name, problem)
    };
    let when = match (&freeze.from, &freeze.cron, &freeze.lasts, &freeze.zone) {
        (Some(from), None, None, None) => {
            let until = freeze.until.as_ref();
            if let Some(until) = until.filter(|until| *until.get_ref() <= *from) {
                let problem = format!("freeze {name:?} ends before it begins");
                return Err(Wrong::at("freezes.until", until, problem));
            }
            FreezeTime::Once {
                from: from.0,
                until: until.map(|until| until.get_ref().0),
            }
        }
        (None, Some(cron), Some(lasts), Some(zone)) if freeze.until.is_none() => {
            FreezeTime::Again(stretch("freezes", cron, lasts, zone)?)
        }
        _ => return Err(unclear()),
    };
    Ok(calendar::Freeze { name, when })
}

fn constraints(all: &[Constraint]) -> Result<Vec<Declared>, Wrong> {
    let declared: Vec<_> = all.iter().map(constraint).collect::<Result<_, _>>()?;
    match Constraints::resolve(&declared, &Inventory::default()) {
        Ok(_) => Ok(declared),
        Err(bad) => Err(placed(all, &bad)),
    }
}

fn constraint(one: &Constraint) -> Result<Declared, Wrong> {
    let name = one.name.get_ref().clone();
    if name.trim().is_empty() || name == UNDECLARED {
        let problem = format!(
            "{name:?} cannot be used; {UNDECLARED:?} is the set of all servers that no constraint \
             selects"
        );
        return Err(Wrong::at("constraints.name", &one.name, problem));
    }
    let selector: Selector = one.selector.get_ref().parse().map_err(|e| {
        let e: h8lio_model::rollout::NoSelector = e;
        let why = e.source().map_or_else(String::new, |s| format!(": {s}"));
        let problem = format!("constraint {name:?}: {e}{why}");
        Wrong::at("constraints.selector", &one.selector, problem)
    })?;
    Ok(Declared {
        name,
        members: Members::Selected(selector),
        rule: rule(one)?,
        after: one
            .after
            .as_ref()
            .map_or_else(Vec::new, |a| a.get_ref().clone()),
    })
}

fn rule(one: &Constraint) -> Result<Rule, Wrong> {
    let level = one.level.as_ref().map(|level| level_of(*level.get_ref()));
    let most = one.most.as_ref().map(|most| *most.get_ref());
    let needs = match (*one.rule.get_ref(), level, most) {
        (RuleName::Nodes, None, Some(most)) => return Ok(Rule::Nodes(most)),
        (RuleName::Domains, Some(level), Some(most)) => return Ok(Rule::Domains { level, most }),
        (RuleName::PerDomain, Some(level), Some(most)) => {
            return Ok(Rule::PerDomain { level, most });
        }
        (RuleName::Quorum, None, None) => return Ok(Rule::Quorum),
        (RuleName::Nodes, ..) => "`most`, and no `level`",
        (RuleName::Domains | RuleName::PerDomain, ..) => "`level` and `most`",
        (RuleName::Quorum, ..) => "neither `level` nor `most`: one member at a time",
    };
    let problem = format!(
        "constraint {:?}: this rule takes {needs}",
        one.name.get_ref()
    );
    Err(Wrong::at("constraints.rule", &one.rule, problem))
}

const fn level_of(name: LevelName) -> Level {
    match name {
        LevelName::Region => Level::Region,
        LevelName::Datacenter => Level::Datacenter,
        LevelName::Zone => Level::Zone,
        LevelName::Rack => Level::Rack,
        LevelName::Node => Level::Node,
    }
}

/// Where in the file a mistake is that shows only in all constraints together.
fn placed(all: &[Constraint], bad: &BadConstraint) -> Wrong {
    let problem = bad.to_string();
    let last = |name: &str| all.iter().rfind(|c| c.name.get_ref() == name);
    let (key, at) = match bad {
        BadConstraint::Twice { name } => ("name", last(name).map(|c| c.name.span())),
        BadConstraint::Nobody { name } => {
            let most = last(name).and_then(|c| c.most.as_ref());
            ("most", most.map(Spanned::span))
        }
        BadConstraint::AfterUnknown { name, .. } => ("after", after(last(name))),
        BadConstraint::Circle { circle } => {
            ("after", after(circle.first().and_then(|name| last(name))))
        }
    };
    Wrong {
        key: format!("maintenance.constraints.{key}"),
        at,
        problem,
    }
}

fn after(of: Option<&Constraint>) -> Option<Range<usize>> {
    Some(of?.after.as_ref()?.span())
}
