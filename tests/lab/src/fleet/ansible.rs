//! Ansible as an operator runs it: the collection of this checkout, installed from its file, by an
//! ansible-core that it promises to work with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{Ctl, Packages};
use crate::lab::Lab;
use crate::process::{command, output, run};
use crate::space::Network;

/// A roll-out to three emulated servers takes minutes: each task starts a Python there.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// What a play did, by host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recap(BTreeMap<String, BTreeMap<String, u32>>);

impl Recap {
    /// From the end of what ansible-playbook prints.
    fn parse(text: &str) -> Self {
        let (_, recap) = text.rsplit_once("PLAY RECAP").unwrap_or_default();
        let hosts = recap.lines().filter_map(|line| {
            let (host, counts) = line.split_once(" : ")?;
            let counts = counts.split_whitespace().filter_map(|count| {
                let (what, number) = count.split_once('=')?;
                Some((what.to_owned(), number.parse().ok()?))
            });
            Some((host.trim().to_owned(), counts.collect()))
        });
        Self(hosts.collect())
    }

    /// How many tasks of a host ended so (`changed`, `ok`, `failed`).
    pub fn count(&self, host: &str, what: &str) -> u32 {
        let counts = self.0.get(host);
        counts
            .and_then(|counts| counts.get(what))
            .copied()
            .unwrap_or(0)
    }

    /// How many tasks of all hosts ended so.
    pub fn total(&self, what: &str) -> u32 {
        self.0.values().filter_map(|counts| counts.get(what)).sum()
    }

    pub fn hosts(&self) -> usize {
        self.0.len()
    }
}

/// Which ansible-core runs: the ends of the range that the collection promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnsibleCore {
    Oldest,
    Newest,
}

impl AnsibleCore {
    /// The name of its requirements in `ansible/requirements`.
    fn requirements(self) -> &'static str {
        match self {
            Self::Oldest => "oldest",
            Self::Newest => "newest",
        }
    }
}

/// Ansible with its inventory.
#[derive(Debug)]
pub struct Ansible<'a> {
    lab: &'a Lab,
    folder: PathBuf,
    programs: PathBuf,
}

impl<'a> Ansible<'a> {
    pub(super) fn new(
        lab: &'a Lab,
        fleet: &Path,
        core: AnsibleCore,
        packages: &Packages,
        ctl: &Ctl<'_>,
    ) -> Result<Self> {
        let folder = fleet.join("ansible");
        std::fs::create_dir_all(&folder)?;
        let mut venv = command("scripts/venv.sh");
        venv.arg(core.requirements());
        let programs = PathBuf::from(run(venv, LIMIT)?);
        let ansible = Self {
            lab,
            folder,
            programs,
        };
        ansible.install_collection()?;
        ansible.write_inventory(packages, ctl)?;
        Ok(ansible)
    }

    /// Runs a playbook of the collection, or a file.
    ///
    /// # Errors
    /// When a host failed; where it says so is told.
    pub fn playbook(&self, name: &str, arguments: &[&str]) -> Result<Recap> {
        let mut playbook = self.command("ansible-playbook");
        playbook.arg("--inventory").arg(self.inventory());
        playbook.args(arguments).arg(name);
        let output = output(playbook, LIMIT)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let log = self.log(name, arguments)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        std::fs::write(&log, format!("{said}\n{errors}"))?;
        if !output.status.success() {
            let failed: Vec<&str> = said
                .lines()
                .filter(|line| line.starts_with("fatal:") || line.contains("ERROR!"))
                .collect();
            bail!(
                "{} {}: see {}",
                failed.join(" | "),
                errors.trim(),
                log.display()
            );
        }
        Ok(Recap::parse(&said))
    }

    /// Runs a playbook with this server as the coordinator of a second fleet, and no nodes.
    ///
    /// # Errors
    /// When it failed.
    pub fn coordinator_on(&self, server: &str, name: &str, arguments: &[&str]) -> Result<Recap> {
        let file = self.folder.join("second.json");
        let inventory =
            json!({"all": {"children": {"h8lio_coordinators": {"hosts": {server: {}}}}}});
        std::fs::write(&file, inventory.to_string())?;
        let file = file.to_string_lossy().into_owned();
        let limit = ["--inventory", &file, "--limit", "h8lio_coordinators"];
        self.playbook(
            &format!("h8lio.fleet.{name}"),
            &[&limit, arguments].concat(),
        )
    }

    /// What that second fleet says of itself to its operator.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn second_status(&self, ctl: &Ctl<'_>) -> Result<Value> {
        ctl.of(&self.second_context()).ask(&["status"])
    }

    /// What the inventory plugin says of the fleet.
    ///
    /// # Errors
    /// When it fails.
    pub fn inventory_of_fleet(&self, ctl: &Ctl<'_>) -> Result<Value> {
        let file = self.folder.join("fleet.h8lio.yml");
        let text = format!(
            "plugin: h8lio.fleet.nodes\nnetwork: 10.77.0.0/24\nh8lctl: {}\ncontext_file: {}\n",
            ctl.program().display(),
            ctl.context().display()
        );
        std::fs::write(&file, text)?;
        let mut list = self.command("ansible-inventory");
        list.arg("--list").arg("--inventory").arg(&file);
        let text = run(list, LIMIT)?;
        serde_json::from_str(&text).context("ansible-inventory prints no JSON")
    }

    fn command(&self, program: &str) -> std::process::Command {
        let mut command = self.lab.space().command(self.programs.join(program));
        command
            .env("ANSIBLE_CONFIG", self.folder.join("ansible.cfg"))
            .env("ANSIBLE_HOME", self.folder.join("home"))
            .env("ANSIBLE_COLLECTIONS_PATH", self.folder.join("collections"))
            .env("ANSIBLE_NOCOLOR", "1")
            // One connection and one program each task: an emulated server is slow at both.
            .env("ANSIBLE_PIPELINING", "1")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    fn install_collection(&self) -> Result<()> {
        std::fs::write(self.folder.join("ansible.cfg"), "")?;
        let mut build = command("scripts/ansible.sh");
        build.arg("build").arg(&self.folder);
        run(build, LIMIT)?;
        let file = std::fs::read_dir(&self.folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|ext| ext == "gz"))
            .context("ansible-galaxy built no collection")?;
        let mut install = self.command("ansible-galaxy");
        install.args(["collection", "install", "--force", "--offline"]);
        install
            .arg("--collections-path")
            .arg(self.folder.join("collections"));
        install.arg(file);
        run(install, LIMIT)?;
        Ok(())
    }

    fn inventory(&self) -> PathBuf {
        self.folder.join("inventory.json")
    }

    /// Every server of the lab as a node, with what its token is bound to.
    fn write_inventory(&self, packages: &Packages, ctl: &Ctl<'_>) -> Result<()> {
        let mut hosts = serde_json::Map::new();
        for server in self.lab.servers()? {
            let options = self.lab.ssh().options(server.number());
            let vars = json!({
                "ansible_host": Network::Mgmt.server(server.number()).to_string(),
                "ansible_ssh_common_args": options.join(" "),
                "agent_serial": server.spec()?.serial(),
                "agent_mac": Network::Mgmt.mac(server.number()),
                "agent_hostname": server.name(),
                "agent_topology": format!("lab/l1/z1/r{}", server.number()),
            });
            hosts.insert(server.name(), vars);
        }
        let inventory = json!({"all": {
            "vars": {
                "ansible_user": "root",
                "ansible_python_interpreter": "/usr/bin/python3",
                "agent_package_file": packages.file("h8lio-agent")?,
                // The lab has no mirror to get them from.
                "agent_install_recommends": false,
                "agent_roles": ["storage", "cloud"],
                "agent_take_patching": true,
                "agent_ctl": {"h8lctl": ctl.program(), "context_file": ctl.context()},
                "coordinator_package_files": [
                    packages.file("h8lio-coordinator")?, packages.file("h8lctl")?,
                ],
                "coordinator_fleet": "second",
                "coordinator_context_file": self.second_context(),
            },
            "hosts": {"localhost": {
                "ansible_connection": "local",
                "ansible_python_interpreter": self.programs.join("python"),
            }},
            "children": {
                "h8lio_nodes": {"hosts": hosts},
                "h8lio_coordinators": {"hosts": {}},
            },
        }});
        let text = serde_json::to_vec_pretty(&inventory)?;
        std::fs::write(self.inventory(), text).context("cannot write the inventory")
    }

    fn second_context(&self) -> PathBuf {
        self.folder.join("second.context.toml")
    }

    /// A log of its own for each run, numbered.
    fn log(&self, name: &str, arguments: &[&str]) -> Result<PathBuf> {
        let logs = self.lab.folder().join("log");
        let is_ours = |path: &Path| path.to_string_lossy().contains("/ansible-");
        let number = std::fs::read_dir(&logs)?
            .filter(|entry| entry.as_ref().is_ok_and(|e| is_ours(&e.path())))
            .count();
        let name = name
            .rsplit(['.', '/'])
            .find(|part| *part != "yml")
            .unwrap_or("playbook");
        let dry = if arguments.contains(&"--check") {
            "-dry"
        } else {
            ""
        };
        Ok(logs.join(format!("ansible-{number}-{name}{dry}.log")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recap_is_read_by_host() {
        let text = "TASK [x] ***\nok: [s1]\n\nPLAY RECAP *****\n\
                    s1  : ok=12   changed=3    unreachable=0    failed=0\n\
                    s2  : ok=11   changed=0    unreachable=0    failed=0\n";
        let recap = Recap::parse(text);
        assert_eq!(recap.count("s1", "changed"), 3);
        assert_eq!(
            (recap.total("changed"), recap.total("ok"), recap.hosts()),
            (3, 23, 2)
        );
    }

    #[test]
    fn a_play_that_never_began_has_no_hosts() {
        assert_eq!(Recap::parse("ERROR! no such file").hosts(), 0);
    }
}
