//! What is patched: small packages, each of which goes wrong in a way of its own.

use crate::fleet::Sample;

/// A package of two versions. The first is installed before anything is patched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Odd {
    pub(super) name: &'static str,
    /// Run by the first version, which a fallback installs again.
    first: &'static str,
    /// Run by the second one.
    second: &'static str,
}

/// Nothing is wrong with it.
pub(super) const PLAIN: Odd = Odd {
    name: "h8lio-lab-plain",
    first: "",
    second: "",
};

/// Nothing is wrong with it, and it takes its time.
pub(super) const SLOW: Odd = Odd {
    name: "h8lio-lab-slow",
    first: "",
    second: "sleep 20",
};

/// Its configuration never comes to an end.
pub(super) const HANGS: Odd = Odd {
    name: "h8lio-lab-hangs",
    first: "",
    second: "sleep infinity",
};

/// It asks for a reboot itself, in the middle of its configuration.
pub(super) const REBOOTS: Odd = Odd {
    name: "h8lio-lab-reboots",
    first: "",
    second: "systemctl reboot --no-block; sleep 45",
};

/// The name of the private network's interface, by its address.
macro_rules! link {
    ($state:literal) => {
        concat!(
            "link=$(grep -l '^52:54:00:77:01:' /sys/class/net/*/address | cut -d/ -f5); \
             ip link set dev $link ",
            $state
        )
    };
}

/// It takes the private network's link down.
pub(super) const UNLINKS: Odd = Odd {
    name: "h8lio-lab-unlinks",
    first: link!("up"),
    second: link!("down"),
};

/// The same, of a class that has no way back.
pub(super) const FORWARD: Odd = Odd {
    name: "ceph-h8lio-lab",
    first: "",
    second: link!("down"),
};

/// A driver's way to lose a device.
pub(super) const LINK_DOWN: &str = link!("down");

/// A person's way to mend what the two of them did.
pub(super) const LINK_UP: &str = link!("up");

pub(super) const ALL: [Odd; 6] = [PLAIN, SLOW, HANGS, REBOOTS, UNLINKS, FORWARD];

impl Odd {
    pub(super) const FIRST: &'static str = "1";
    pub(super) const SECOND: &'static str = "2";

    pub(super) fn versions(&self) -> [Sample<'static>; 2] {
        let sample = |version, postinst| Sample {
            name: self.name,
            version,
            postinst,
            conffile: "",
        };
        [
            sample(Self::FIRST, self.first),
            sample(Self::SECOND, self.second),
        ]
    }

    pub(super) fn target(&self) -> String {
        format!("packages:{}", self.name)
    }
}
