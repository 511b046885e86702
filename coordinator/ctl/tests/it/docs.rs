//! docs/json.md: every key that it names is printed, and every key that is printed is named.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::bench::Bench;

const DOC: &str = include_str!("../../../../docs/json.md");

/// The keys of the table below the heading `## <title>`: the first cell of each row, in
/// backticks, as a path such as `topology.rack` or `disks[].key`.
fn documented(title: &str) -> BTreeSet<String> {
    let section = DOC
        .split("\n## ")
        .find(|s| s.lines().next() == Some(title))
        .unwrap_or_else(|| panic!("docs/json.md has no section {title}"));
    section
        .lines()
        .filter_map(|l| l.strip_prefix("| `"))
        .filter_map(|l| l.split('`').next())
        .map(str::to_owned)
        .collect()
}

/// The value at a path; `[]` takes the first element.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .try_fold(value, |v, part| match part.strip_suffix("[]") {
            Some("") => v.get(0),
            Some(key) => v.get(key)?.get(0),
            None => v.get(part),
        })
}

/// `printed` has every documented key, and no key at its top that is not documented.
fn check(title: &str, printed: &Value) {
    let documented = documented(title);
    assert!(!documented.is_empty(), "{title} has no table");
    for path in &documented {
        assert!(
            at(printed, path).is_some(),
            "{title}: `{path}` is not printed: {printed:#}"
        );
    }
    let top = if printed.is_array() {
        &printed[0]
    } else {
        printed
    };
    let prefix = if printed.is_array() { "[]." } else { "" };
    for key in top.as_object().expect("an object").keys() {
        let path = format!("{prefix}{key}");
        let named = |d: &String| {
            d == &path || d.starts_with(&format!("{path}.")) || d.starts_with(&format!("{path}[]"))
        };
        assert!(
            documented.iter().any(named),
            "{title}: `{path}` is not documented"
        );
    }
}

#[tokio::test]
async fn each_output_is_as_docs_json_md_says() {
    let mut bench = Bench::new();
    // The sick node has something in every list.
    bench.fake.state().nodes.reverse();
    bench.answers = None;
    for (title, line) in [
        ("node list", "node list"),
        ("node show", "node show r1-s2"),
        ("node doctor", "node doctor r1-s2"),
        ("status", "status"),
        ("token create", "token create --reason r -y"),
        ("token list", "token list"),
        ("event list", "event list"),
        ("audit list", "audit list"),
        ("audit verify", "audit verify"),
        ("operator list", "operator list"),
        ("context show", "context show"),
        ("version", "version"),
        ("rollout list", "rollout list"),
        ("rollout show", "rollout show march"),
        ("explain", "explain node r1-s3"),
        ("what-if", "what-if --nodes r1-s1,r1-s2"),
    ] {
        let said = bench.run(&format!("{line} -o json")).await;
        check(title, &said.json_whatever_exit());
    }
}

#[tokio::test]
async fn node_list_has_at_least_what_programs_were_promised() {
    let json = Bench::new().run("node list -o json").await.json();
    for path in [
        "[].id",
        "[].name",
        "[].admission",
        "[].scheduling",
        "[].availability",
        "[].roles",
        "[].topology.region",
        "[].topology.datacenter",
        "[].topology.zone",
        "[].topology.rack",
        "[].clusters.kubernetes",
        "[].clusters.cephFsid",
        "[].conditions",
        "[].agentVersion",
        "[].lastSeen",
    ] {
        assert!(at(&json, path).is_some(), "{path}");
    }
}

#[tokio::test]
async fn node_show_has_at_least_what_programs_were_promised() {
    let json = Bench::new().run("node show r1-s1 -o json").await.json();
    for path in [
        "inventory.os.id",
        "inventory.os.version",
        "inventory.os.kernel",
        "inventory.os.bootId",
        "inventory.cpu",
        "inventory.memory",
        "inventory.disks[]",
        "inventory.interfaces[]",
        "inventory.packages",
        "inventory.runtime",
        "inventory.osds[]",
    ] {
        assert!(at(&json, path).is_some(), "{path}");
    }
}
