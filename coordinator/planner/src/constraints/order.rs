use std::collections::BTreeMap;

use super::{BadConstraint, Declared, Rule};

/// Checks names, numbers and the order of sets, and gives each name its place.
pub(super) fn names(declared: &[Declared]) -> Result<BTreeMap<&str, usize>, BadConstraint> {
    let mut names = BTreeMap::new();
    for (index, one) in declared.iter().enumerate() {
        if names.insert(one.name.as_str(), index).is_some() {
            let name = one.name.clone();
            return Err(BadConstraint::Twice { name });
        }
        let most = match one.rule {
            Rule::Nodes(n) | Rule::Domains { most: n, .. } | Rule::PerDomain { most: n, .. } => n,
            Rule::Quorum => 1,
        };
        if most == 0 {
            let name = one.name.clone();
            return Err(BadConstraint::Nobody { name });
        }
    }
    for one in declared {
        if let Some(after) = one.after.iter().find(|a| !names.contains_key(a.as_str())) {
            return Err(BadConstraint::AfterUnknown {
                name: one.name.clone(),
                after: after.clone(),
            });
        }
    }
    let mut done = vec![false; declared.len()];
    for start in 0..declared.len() {
        walk(start, declared, &names, &mut done, &mut Vec::new())?;
    }
    Ok(names)
}

/// Depth first; a set that is met again on the way to it closes a circle.
fn walk(
    at: usize,
    declared: &[Declared],
    names: &BTreeMap<&str, usize>,
    done: &mut [bool],
    way: &mut Vec<usize>,
) -> Result<(), BadConstraint> {
    if let Some(start) = way.iter().position(|w| *w == at) {
        let mut circle: Vec<_> = way[start..]
            .iter()
            .map(|i| declared[*i].name.clone())
            .collect();
        circle.push(declared[at].name.clone());
        return Err(BadConstraint::Circle { circle });
    }
    if done[at] {
        return Ok(());
    }
    way.push(at);
    for after in &declared[at].after {
        walk(names[after.as_str()], declared, names, done, way)?;
    }
    way.pop();
    done[at] = true;
    Ok(())
}
