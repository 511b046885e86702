//! What h8lio leaves on a server, in a form that can be compared: a dry run must not change it.

use anyhow::{Result, bail};

use super::end::TIMERS;
use crate::fleet::Fleet;
use crate::lab::Lab;
use crate::server::Server;

/// Package, process, identity and files. The agent's own notes beside its identity go on changing
/// and are left out.
const LOOK: &str = "set -e; dpkg-query -f '${db:Status-Status} ${Version}\\n' -W h8lio-agent 2>/dev/null || echo absent; \
     systemctl show --property LoadState,UnitFileState,ActiveState,MainPID h8lio-agent; \
     for path in /var/lib/h8lio/agent/identity.json /var/lib/h8lio/patch-timers.json; do \
         if test -e $path; then sha256sum $path; else echo no $path; fi; done; \
     for path in /etc/h8lio /etc/credstore /run/credstore /var/cache/h8lio; do \
         if test -e $path; then find $path -printf '%p %y %m %s %T@\\n' | sort; else echo no $path; fi; done";

/// What is there now, on one server a text, and in the fleet.
pub(super) struct Traces(Vec<(String, String)>);

impl Traces {
    pub(super) fn now(lab: &Lab, fleet: &Fleet<'_>) -> Result<Self> {
        let mut seen = vec![("in the fleet".to_owned(), members(fleet)?)];
        for server in lab.servers()? {
            seen.push((format!("on {}", server.name()), of(server)?));
        }
        Ok(Self(seen))
    }

    /// Everything is as it was.
    pub(super) fn are_still(&self, lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
        let now = Self::now(lab, fleet)?;
        for ((place, before), (_, after)) in self.0.iter().zip(&now.0) {
            if let Some(change) = difference(before, after) {
                bail!("{place}: {change}");
            }
        }
        Ok(())
    }
}

fn of(server: Server<'_>) -> Result<String> {
    Ok(format!("{}\n{}", server.run(LOOK)?, server.run(TIMERS)?))
}

/// Who belongs to the fleet, and how many tokens it has.
fn members(fleet: &Fleet<'_>) -> Result<String> {
    let nodes = fleet.ctl().ask(&["node", "list"])?;
    let nodes = nodes.as_array().cloned().unwrap_or_default();
    let mut lines: Vec<String> = nodes
        .iter()
        .map(|node| format!("{} {} {}", node["name"], node["id"], node["admission"]))
        .collect();
    let tokens = fleet.ctl().ask(&["token", "list"])?;
    lines.push(format!("{} tokens", tokens.as_array().map_or(0, Vec::len)));
    Ok(lines.join("\n"))
}

/// The first line that is another.
fn difference(before: &str, after: &str) -> Option<String> {
    let (mut old, mut new) = (before.lines(), after.lines());
    loop {
        match (old.next(), new.next()) {
            (None, None) => return None,
            (was, is) if was == is => {}
            (was, is) => {
                let line = |line: Option<&str>| line.unwrap_or("nothing").to_owned();
                return Some(format!("{:?} became {:?}", line(was), line(is)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_with_what_it_was() {
        let change = difference("a\nno /etc/h8lio", "a\n/etc/h8lio d").expect("changed");
        assert_eq!(change, r#""no /etc/h8lio" became "/etc/h8lio d""#);
    }

    #[test]
    fn a_line_more_or_less_is_a_change() {
        assert_eq!(
            difference("a", "a\nb").expect("more"),
            r#""nothing" became "b""#
        );
        assert_eq!(
            difference("a\nb", "a").expect("less"),
            r#""b" became "nothing""#
        );
    }

    #[test]
    fn the_same_twice_is_no_change() {
        assert_eq!(difference("a\nb", "a\nb"), None);
    }
}
