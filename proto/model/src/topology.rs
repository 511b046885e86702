//! Where a server stands: ONE record that yields both Kubernetes labels and the CRUSH location.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::InvalidId;

/// Region / datacenter / zone / rack, and the slot in the rack where it is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Topology {
    /// For example `eu-west`.
    pub region: String,
    /// For example `par1`.
    pub datacenter: String,
    /// For example `par1-a`.
    pub zone: String,
    /// For example `r07`.
    pub rack: String,
    /// Position in the rack, for example `u12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
}

impl Topology {
    /// Kubernetes node labels: the two well-known ones and h8lio's own for the rest.
    pub fn kubernetes_labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (
                "topology.kubernetes.io/region".to_owned(),
                self.region.clone(),
            ),
            ("topology.kubernetes.io/zone".to_owned(), self.zone.clone()),
            (
                "topology.h8lio.io/datacenter".to_owned(),
                self.datacenter.clone(),
            ),
            ("topology.h8lio.io/rack".to_owned(), self.rack.clone()),
        ])
    }

    /// The CRUSH location of an OSD on the server called `node`, outermost bucket first.
    pub fn crush_location(&self, node: &str) -> Vec<(&'static str, String)> {
        vec![
            ("root", "default".to_owned()),
            ("region", self.region.clone()),
            ("datacenter", self.datacenter.clone()),
            ("zone", self.zone.clone()),
            ("rack", self.rack.clone()),
            ("host", node.to_owned()),
        ]
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.region, self.datacenter, self.zone, self.rack
        )?;
        match &self.slot {
            Some(slot) => write!(f, "/{slot}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Topology {
    type Err = InvalidId;

    /// `region/datacenter/zone/rack[/slot]`; each part is a Kubernetes label value.
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let parts: Vec<&str> = s.split('/').collect();
        if !(4..=5).contains(&parts.len()) {
            return Err(InvalidId::new(
                "topology",
                s,
                "write it as region/datacenter/zone/rack or region/datacenter/zone/rack/slot",
            ));
        }
        for part in &parts {
            let ok = !part.is_empty()
                && part.len() <= 63
                && part
                    .bytes()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
                && part.as_bytes()[0].is_ascii_alphanumeric()
                && part.as_bytes()[part.len() - 1].is_ascii_alphanumeric();
            if !ok {
                return Err(InvalidId::new(
                    "topology",
                    s,
                    "each part has 1 to 63 of a-z, A-Z, 0-9, '-', '_', '.', with a letter or digit at both ends",
                ));
            }
        }
        Ok(Self {
            region: parts[0].to_owned(),
            datacenter: parts[1].to_owned(),
            zone: parts[2].to_owned(),
            rack: parts[3].to_owned(),
            slot: parts.get(4).map(|s| (*s).to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_record_are_the_same_thing() {
        for text in ["eu/par1/par1-a/r07", "eu/par1/par1-a/r07/u12"] {
            assert_eq!(text.parse::<Topology>().expect("valid").to_string(), text);
        }
    }

    #[test]
    fn one_record_gives_both_labels_and_crush() {
        let t: Topology = "eu/par1/par1-a/r07".parse().expect("valid");
        assert_eq!(
            t.kubernetes_labels()["topology.kubernetes.io/zone"],
            "par1-a"
        );
        assert_eq!(t.crush_location("s1")[4], ("rack", "r07".to_owned()));
    }

    #[test]
    fn a_part_that_could_not_be_a_label_is_refused() {
        for text in [
            "eu/par1/z",
            "eu//z/r",
            "eu/par1/z/r;rm",
            "eu/par1/z/-r",
            "a/b/c/d/e/f",
        ] {
            text.parse::<Topology>().expect_err(text);
        }
    }
}
