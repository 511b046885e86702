//! The BMC's watchdog timer (IPMI 2.0, chapter 27): what it is told, and what it says of itself.
//!
//! The agent uses it as *OS Load* with a hard reset, and takes a countdown of that kind for its own:
//! firmware counts under other names, and so does an operating system that runs.

use std::time::Duration;

/// *OS Load*: the time from the firmware to an operating system that stops the timer.
const OS_LOAD: u8 = 3;

const HARD_RESET: u8 = 1;

/// At its end nothing happens.
const NOTHING: u8 = 0;

/// In the first byte: it counts.
const RUNS: u8 = 1 << 6;

/// In the byte of uses that ran out.
const OS_LOAD_RAN_OUT: u8 = 1 << OS_LOAD;

/// One step of a countdown.
const STEP: Duration = Duration::from_millis(100);

/// The longest countdown that fits into its two bytes, to whole minutes.
pub const LONGEST: Duration = Duration::from_secs(109 * 60);

/// What the timer says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// Its own word. Some do not say it, and show only what is left.
    runs: bool,
    usage: u8,
    action: u8,
    ran_out: u8,
    /// In steps of 100 ms, as is what is left.
    from: u16,
    left: u16,
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the BMC's answer about its watchdog is not understood: `{0}`")]
pub struct NoTimer(String);

/// Reads the answer to *Get Watchdog Timer*.
///
/// # Errors
/// [`NoTimer`] for anything but eight bytes.
pub fn read(text: &str) -> Result<Timer, NoTimer> {
    let none = || NoTimer(crate::words::plain(text.trim()));
    let byte = |word: &str| (word.len() == 2).then(|| u8::from_str_radix(word, 16).ok())?;
    let bytes: Option<Vec<u8>> = text.split_whitespace().map(byte).collect();
    let Some([first, action, _, ran_out, from0, from1, left0, left1]) = bytes.as_deref() else {
        return Err(none());
    };
    Ok(Timer {
        runs: first & RUNS != 0,
        usage: first & 7,
        action: action & 7,
        ran_out: *ran_out,
        from: u16::from_le_bytes([*from0, *from1]),
        left: u16::from_le_bytes([*left0, *left1]),
    })
}

/// What *Set Watchdog Timer* is told before a boot: after this time without a stop, a hard reset.
pub fn before_a_boot(countdown: Duration) -> [u8; 6] {
    let [low, high] = steps(countdown).to_le_bytes();
    [OS_LOAD, HARD_RESET, 0, OS_LOAD_RAN_OUT, low, high]
}

/// What it is told to stop. At its end nothing would happen: a timer that were still counting does no
/// harm. That it ran out, if it did, stays to be read.
pub fn stop(timer: &Timer) -> [u8; 6] {
    let [low, high] = timer.from.to_le_bytes();
    [OS_LOAD, NOTHING, 0, 0, low, high]
}

/// Compares what was asked for with what the timer says.
///
/// # Errors
/// What it says instead.
pub fn counts(timer: &Timer, countdown: Duration) -> Result<(), String> {
    let wanted = steps(countdown);
    let as_wanted = (OS_LOAD, HARD_RESET, wanted);
    if (timer.usage, timer.action, timer.from) != as_wanted {
        return Err(format!(
            "the BMC was told {as_wanted:?} (use, action, tenths of a second) and has {:?}",
            (timer.usage, timer.action, timer.from)
        ));
    }
    // One that was never started may show the whole time.
    let counts = timer.runs || timer.left < wanted;
    match counts && (1..=wanted).contains(&timer.left) {
        true => Ok(()),
        false => Err("the BMC's watchdog was started and does not count".to_owned()),
    }
}

impl Timer {
    /// A countdown of the agent's that ends in a reset.
    pub fn is_ours(&self) -> bool {
        // One that counts down to nothing was stopped by the agent.
        let counts = self.runs || self.left > 0;
        self.usage == OS_LOAD && self.action == HARD_RESET && counts
    }

    /// It counts for somebody else.
    pub fn is_anothers(&self) -> bool {
        self.runs && self.usage != OS_LOAD
    }

    /// It has reset the server since it was last set.
    pub fn ran_out(&self) -> bool {
        self.ran_out & OS_LOAD_RAN_OUT != 0
    }
}

fn steps(countdown: Duration) -> u16 {
    let steps = countdown.min(LONGEST).as_millis() / STEP.as_millis();
    u16::try_from(steps).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// As `ipmitool raw 6 0x25` prints them: nobody used it, set and not started, counting by a BMC
    /// that says so and by one that does not, stopped, and run out.
    const UNUSED: &str = " 00 00 00 00 00 00 00 00\n";
    const SET: &str = " 03 01 00 00 70 17 00 00\n";
    const COUNTS: &str = " 43 01 00 00 70 17 6d 17\n";
    const COUNTS_SILENTLY: &str = " 03 01 00 00 70 17 6d 17\n";
    const SHOWS_ALL: &str = " 03 01 00 00 70 17 70 17\n";
    const STOPPED: &str = " 03 00 00 00 70 17 70 17\n";
    const RAN_OUT: &str = " 03 01 00 08 70 17 00 00\n";
    /// The firmware's own, and an operating system's that feeds it.
    const FIRMWARES: &str = " 42 01 00 00 70 17 6d 17\n";
    const SYSTEMS: &str = " 44 01 00 00 64 00 40 00\n";

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    fn timer(text: &str) -> Timer {
        read(text).expect("eight bytes")
    }

    #[test]
    fn before_a_boot_it_is_told_the_use_the_reset_and_tenths_of_seconds() {
        let told = before_a_boot(TEN_MINUTES);
        assert_eq!(told, [3, 1, 0, 8, 0x70, 0x17]);
        let [.., low, high] = before_a_boot(Duration::from_secs(86_400));
        assert_eq!(u16::from_le_bytes([low, high]), 65_400, "what fits");
    }

    #[rstest]
    #[case(COUNTS, true)]
    #[case(COUNTS_SILENTLY, true)]
    #[case(SET, false)]
    #[case(SHOWS_ALL, false)]
    #[case(STOPPED, false)]
    #[case(FIRMWARES, false)]
    #[case(UNUSED, false)]
    fn what_was_armed_is_read_back(#[case] says: &str, #[case] armed: bool) {
        assert_eq!(counts(&timer(says), TEN_MINUTES).is_ok(), armed);
        let other = Duration::from_secs(300);
        counts(&timer(says), other).expect_err("another countdown");
    }

    #[rstest]
    #[case(COUNTS, true)]
    #[case(COUNTS_SILENTLY, true)]
    #[case(UNUSED, false)]
    #[case(STOPPED, false)]
    #[case(RAN_OUT, false)]
    #[case(FIRMWARES, false)]
    #[case(SYSTEMS, false)]
    fn a_countdown_to_a_reset_under_the_agents_use_is_the_agents(
        #[case] says: &str,
        #[case] ours: bool,
    ) {
        assert_eq!(timer(says).is_ours(), ours);
    }

    #[test]
    fn a_timer_that_was_stopped_resets_nothing_and_still_says_that_it_ran_out() {
        assert_eq!(stop(&timer(COUNTS)), [3, 0, 0, 0, 0x70, 0x17]);
        assert!(timer(RAN_OUT).ran_out() && !timer(COUNTS).ran_out());
        assert!(timer(FIRMWARES).is_anothers() && timer(SYSTEMS).is_anothers());
        assert!(!timer(COUNTS).is_anothers() && !timer(STOPPED).is_anothers());
    }

    #[rstest]
    #[case("")]
    #[case("03 01 00 00 70 17 6d")]
    #[case("03 01 00 00 70 17 6d 17 00")]
    #[case("03 01 00 00 70 17 6d zz")]
    #[case("Unable to send RAW command")]
    fn an_answer_that_is_not_eight_bytes_is_not_believed(#[case] text: &str) {
        read(text).expect_err(text);
    }
}
