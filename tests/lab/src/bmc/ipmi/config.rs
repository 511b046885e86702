//! The two files that `ipmi_sim` is started with.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use anyhow::bail;

use crate::bmc::folder::{IPMI_PORT, Settings};

/// Where `ipmi_sim` itself listens: the BMC's address moved into 127.0.0.0/8, so that BMCs in one
/// namespace stay apart without looking for free ports.
#[must_use]
pub fn inside(address: Ipv4Addr) -> SocketAddrV4 {
    let [_, b, c, d] = address.octets();
    SocketAddrV4::new(Ipv4Addr::new(127, b, c, d), IPMI_PORT)
}

/// The LAN configuration: address, user, and the hook that switches the power.
///
/// No authentication of IPMI 1.5 is allowed, so `-I lanplus` alone gets in.
pub fn lan(settings: &Settings, lab: &Path) -> anyhow::Result<String> {
    let inside = inside(settings.address);
    let hook = format!("{} bmc-hook {}", shell(lab)?, shell(&settings.hook)?);
    let guid = settings.uuid.simple();
    let Settings {
        name,
        user,
        password,
        ..
    } = settings;
    for word in [name, user, password] {
        if word.contains(['"', '\n']) {
            bail!("ipmi_sim's configuration cannot hold {word:?}; choose a word without quotes");
        }
    }
    Ok(format!(
        r#"name "{name}"
set_working_mc 0x20
startlan 1
  addr {ip} {port}
  priv_limit admin
  guid {guid}
endlan
chassis_control "{hook}"
user 2 true "{user}" "{password}" admin 10
"#,
        ip = inside.ip(),
        port = inside.port(),
    ))
}

/// The commands that make the one management controller.
pub const COMMANDS: &str = "\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
mc_enable 0x20
";

/// The path as one word of the shell that `ipmi_sim` starts its hook with.
fn shell(path: &Path) -> anyhow::Result<String> {
    match path.to_str() {
        Some(text) if !text.contains(['"', '\'', '\\', '\n']) => Ok(format!("'{text}'")),
        _ => bail!("ipmi_sim cannot be told the path {path:?}; move the checkout elsewhere"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bmc::folder::Switches;

    fn settings() -> Settings {
        Settings {
            name: "s1".to_owned(),
            address: Ipv4Addr::new(10, 77, 0, 21),
            user: "lab".to_owned(),
            password: "secret".to_owned(),
            serial: "LAB0001".to_owned(),
            uuid: "00112233-4455-6677-8899-aabbccddeeff"
                .parse()
                .expect("uuid"),
            hook: "/a lab/s1".into(),
            switches: Switches::Scripted,
        }
    }

    #[test]
    fn each_bmc_has_a_loopback_address_of_its_own() {
        assert_eq!(
            inside(Ipv4Addr::new(10, 77, 0, 21)).to_string(),
            "127.77.0.21:623"
        );
    }

    #[test]
    fn the_hook_survives_blanks_in_its_path() {
        let text = lan(&settings(), Path::new("/a lab/bin/lab")).expect("a text");
        let line = r#"chassis_control "'/a lab/bin/lab' bmc-hook '/a lab/s1'""#;
        assert!(text.lines().any(|l| l == line), "{text}");
    }

    #[test]
    fn what_would_break_the_quoting_is_refused() {
        assert!(lan(&settings(), Path::new("/it's/lab")).is_err());
        let odd = Settings {
            password: "a\"b".to_owned(),
            ..settings()
        };
        assert!(lan(&odd, Path::new("/lab")).is_err());
    }
}
