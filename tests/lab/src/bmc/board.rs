//! The BMC's inside: one power switch, obeyed or not.
//!
//! Both protocols come here, so what one was told the other repeats, lies included.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;

use super::log::log;
use super::mode::{Mode, ModeFile};
use super::power::{Power, PowerSwitch};

/// What a client can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    On,
    Off,
    /// Off and on again. A server that is off stays off, as IPMI has it.
    Cycle,
    Reset,
    Nmi,
    Button,
}

impl Act {
    /// What a liar tells after it. Nothing changes where the power stays as it is.
    fn would_leave(self) -> Option<Power> {
        match self {
            Self::On => Some(Power::On),
            Self::Off | Self::Button => Some(Power::Off),
            Self::Cycle | Self::Reset | Self::Nmi => None,
        }
    }
}

/// One server's BMC, without its wires.
pub struct Board {
    name: String,
    switch: Box<dyn PowerSwitch>,
    modes: Arc<ModeFile>,
    /// What a lying BMC tells. Held while an act runs, so that acts come one after the other.
    claim: Mutex<Option<Power>>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Board {
    pub fn new(name: &str, switch: Box<dyn PowerSwitch>, modes: Arc<ModeFile>) -> Self {
        Self {
            name: name.to_owned(),
            switch,
            modes,
            claim: Mutex::default(),
        }
    }

    /// The state that a client is told.
    pub fn state(&self) -> anyhow::Result<Power> {
        let lying = self.modes.current() == Mode::Lying;
        if lying && let Some(claimed) = *self.claims() {
            return Ok(claimed);
        }
        let what = || format!("cannot read the power of {}", self.name);
        self.switch.state().with_context(what)
    }

    /// Does what a client asks, or only says so.
    pub fn act(&self, act: Act) -> anyhow::Result<()> {
        let mut claim = self.claims();
        let mode = self.modes.current();
        let name = &self.name;
        match mode {
            Mode::Normal | Mode::Slow(_) | Mode::Dead => {
                *claim = None;
                log(&format!("{name}: {act:?}"));
                let what = || format!("cannot do {act:?} to {name}");
                self.obey(act).with_context(what)
            }
            Mode::Lying => {
                log(&format!("{name}: {act:?} is claimed and not done"));
                *claim = act.would_leave().or(*claim);
                Ok(())
            }
            Mode::Deaf => {
                *claim = None;
                log(&format!("{name}: {act:?} is not done"));
                Ok(())
            }
        }
    }

    fn obey(&self, act: Act) -> anyhow::Result<()> {
        match act {
            Act::On => self.switch.on(),
            Act::Off => self.switch.off(),
            Act::Cycle => match self.switch.state()? {
                Power::Off => Ok(()),
                Power::On => self.switch.off().and_then(|()| self.switch.on()),
            },
            Act::Reset => self.switch.reset(),
            Act::Nmi => self.switch.nmi(),
            Act::Button => self.switch.button(),
        }
    }

    fn claims(&self) -> MutexGuard<'_, Option<Power>> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::Scripted;
    use super::*;

    struct Bench {
        board: Board,
        switch: Scripted,
        mode: std::path::PathBuf,
        _folder: tempfile::TempDir,
    }

    fn bench() -> Bench {
        let folder = tempfile::tempdir().expect("folder");
        let mode = folder.path().join("mode");
        let switch = Scripted::make(folder.path(), Power::On).expect("switch");
        let modes = Arc::new(ModeFile::new(mode.clone()));
        let board = Board::new("s1", Box::new(switch.clone()), modes);
        Bench {
            board,
            switch,
            mode,
            _folder: folder,
        }
    }

    impl Bench {
        fn becomes(&self, mode: Mode) {
            ModeFile::write(&self.mode, mode).expect("mode");
        }

        fn ask(&self, act: Act) -> Power {
            self.board.act(act).expect("answers yes");
            self.board.state().expect("a state")
        }
    }

    #[test]
    fn a_normal_bmc_does_what_it_is_asked() {
        let bench = bench();
        assert_eq!(bench.ask(Act::Off), Power::Off);
        assert_eq!(bench.ask(Act::On), Power::On);
        for act in [Act::Cycle, Act::Reset, Act::Nmi] {
            assert_eq!(bench.ask(act), Power::On);
        }
        let acts = bench.switch.acts().expect("acts");
        assert_eq!(acts, ["off", "on", "off", "on", "reset", "nmi"]);
    }

    #[test]
    fn a_cycle_does_not_wake_a_server_that_is_off() {
        let bench = bench();
        bench.ask(Act::Off);
        assert_eq!(bench.ask(Act::Cycle), Power::Off);
        assert_eq!(bench.switch.acts().expect("acts"), ["off"]);
    }

    #[test]
    fn a_liar_says_off_while_the_server_stays_on() {
        let bench = bench();
        bench.becomes(Mode::Lying);
        assert_eq!(bench.board.state().expect("a state"), Power::On);
        assert_eq!(bench.ask(Act::Off), Power::Off);
        assert_eq!(bench.ask(Act::Reset), Power::Off, "a lie is kept up");
        assert_eq!(bench.switch.state().expect("a state"), Power::On);
        assert_eq!(bench.ask(Act::On), Power::On);
        assert!(bench.switch.acts().expect("acts").is_empty());
    }

    #[test]
    fn a_bmc_that_stops_lying_tells_the_truth_and_has_forgotten_its_lie() {
        let bench = bench();
        bench.becomes(Mode::Lying);
        bench.ask(Act::Off);
        bench.becomes(Mode::Normal);
        assert_eq!(bench.ask(Act::Reset), Power::On);
        bench.becomes(Mode::Lying);
        assert_eq!(bench.board.state().expect("a state"), Power::On);
    }

    #[test]
    fn a_deaf_bmc_says_yes_and_tells_that_nothing_happened() {
        let bench = bench();
        bench.becomes(Mode::Deaf);
        assert_eq!(bench.ask(Act::Off), Power::On);
        assert!(bench.switch.acts().expect("acts").is_empty());
    }

    #[test]
    fn a_switch_that_fails_is_named_with_the_act_and_the_server() {
        let bench = bench();
        bench.switch.break_it("the fuse is blown").expect("broken");
        let why = format!("{:#}", bench.board.act(Act::Off).expect_err("fails"));
        assert_eq!(why, "cannot do Off to s1: the fuse is blown");
        let why = format!("{:#}", bench.board.state().expect_err("fails"));
        assert_eq!(why, "cannot read the power of s1: the fuse is blown");
    }
}
