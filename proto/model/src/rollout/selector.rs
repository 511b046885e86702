use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{InvalidId, NodeName};
use crate::labels::{self, Labels};
use crate::role::Role;
use crate::topology::Topology;

/// Which nodes are meant. Terms of one kind widen (`rack=a,rack=b`: either), kinds narrow
/// (`rack=a,role=storage`: both). There is no way to mean everybody by saying nothing: that is
/// `all`, and it stands alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector {
    terms: BTreeSet<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Term {
    All,
    Name(NodeName),
    Role(Role),
    Region(String),
    Datacenter(String),
    Zone(String),
    Rack(String),
    Label(String, String),
}

/// Why a text selects nothing that could be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSelector {
    #[error(
        "the selection is empty; name nodes (name=s1), roles, racks or labels, or write `all` \
         when every node is meant"
    )]
    Empty,
    #[error("`all` beside other terms contradicts itself; write one or the other")]
    AllAndMore,
    #[error(
        "{0:?} is no term of a selection; use name=, role=, region=, datacenter=, zone=, rack=, \
         label:KEY=VALUE or all"
    )]
    NoTerm(String),
    #[error("a term of the selection is not valid")]
    BadValue(#[from] InvalidId),
}

impl Selector {
    /// Whether a node with these properties is meant. A node without topology is in no rack.
    pub fn selects(
        &self,
        name: &NodeName,
        roles: &[Role],
        topology: Option<&Topology>,
        labels: &Labels,
    ) -> bool {
        let fits = |term: &Term| match term {
            Term::All => true,
            Term::Name(n) => n == name,
            Term::Role(r) => roles.contains(r),
            Term::Region(v) => topology.is_some_and(|t| t.region == *v),
            Term::Datacenter(v) => topology.is_some_and(|t| t.datacenter == *v),
            Term::Zone(v) => topology.is_some_and(|t| t.zone == *v),
            Term::Rack(v) => topology.is_some_and(|t| t.rack == *v),
            Term::Label(k, v) => labels.get(k) == Some(v),
        };
        let kinds: BTreeSet<_> = self.terms.iter().map(Term::kind).collect();
        kinds.into_iter().all(|kind| {
            let mut of_kind = self.terms.iter().filter(|t| t.kind() == kind);
            of_kind.any(fits)
        })
    }

    /// Every node.
    pub fn all() -> Self {
        Self {
            terms: BTreeSet::from([Term::All]),
        }
    }
}

impl Term {
    /// What terms widen one another within; each label key is a kind of its own.
    fn kind(&self) -> &str {
        match self {
            Self::All => "all",
            Self::Name(_) => "name",
            Self::Role(_) => "role",
            Self::Region(_) => "region",
            Self::Datacenter(_) => "datacenter",
            Self::Zone(_) => "zone",
            Self::Rack(_) => "rack",
            Self::Label(key, _) => key,
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Name(v) => write!(f, "name={v}"),
            Self::Role(v) => write!(f, "role={v}"),
            Self::Region(v) => write!(f, "region={v}"),
            Self::Datacenter(v) => write!(f, "datacenter={v}"),
            Self::Zone(v) => write!(f, "zone={v}"),
            Self::Rack(v) => write!(f, "rack={v}"),
            Self::Label(k, v) => write!(f, "label:{k}={v}"),
        }
    }
}

impl FromStr for Term {
    type Err = NoSelector;

    fn from_str(s: &str) -> Result<Self, NoSelector> {
        if s == "all" {
            return Ok(Self::All);
        }
        let unknown = || NoSelector::NoTerm(s.chars().take(80).collect());
        let (key, value) = s.split_once('=').ok_or_else(unknown)?;
        let place = || {
            let checked = labels::check("place", value).map(|()| value.to_owned());
            match value.is_empty() {
                true => Err(NoSelector::Empty),
                false => Ok(checked?),
            }
        };
        match key {
            "name" => Ok(Self::Name(value.parse()?)),
            "role" => Ok(Self::Role(value.parse()?)),
            "region" => Ok(Self::Region(place()?)),
            "datacenter" => Ok(Self::Datacenter(place()?)),
            "zone" => Ok(Self::Zone(place()?)),
            "rack" => Ok(Self::Rack(place()?)),
            _ => {
                let key = key.strip_prefix("label:").ok_or_else(unknown)?;
                labels::check(key, value)?;
                Ok(Self::Label(key.to_owned(), value.to_owned()))
            }
        }
    }
}

impl FromStr for Selector {
    type Err = NoSelector;

    /// Terms with commas between.
    fn from_str(s: &str) -> Result<Self, NoSelector> {
        if s.trim().is_empty() {
            return Err(NoSelector::Empty);
        }
        let terms: BTreeSet<Term> = s
            .split(',')
            .map(|term| term.trim().parse())
            .collect::<Result<_, _>>()?;
        if terms.len() > 1 && terms.contains(&Term::All) {
            return Err(NoSelector::AllAndMore);
        }
        Ok(Self { terms })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<_> = self.terms.iter().map(ToString::to_string).collect();
        f.write_str(&terms.join(","))
    }
}

impl TryFrom<String> for Selector {
    type Error = NoSelector;

    fn try_from(s: String) -> Result<Self, NoSelector> {
        s.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}
