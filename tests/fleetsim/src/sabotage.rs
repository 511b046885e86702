//! Guards taken away on purpose: a simulator that stays green without them would be worthless.

/// Which guard is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// The coordinator takes an attempt for done some minutes after it was ordered.
    SlotsEndByTime,
    /// An end that was not seen is taken for a failure that changed nothing.
    UnknownIsAssumed,
    /// The planner is told that any number may be away.
    NoBudget,
    /// The coordinator forgets which ledger a ticket was given to.
    TicketsForAnyLedger,
    /// A lost ledger comes back empty under its old id.
    LedgerForgetsAttempts,
    /// The agent does not write its step log.
    NoStepLog,
    /// Orders are sent before their plan is written.
    SendsBeforeItWrites,
    /// The coordinator's ends of attempts are not written with the plan.
    NoAudit,
    /// A transaction that was written down is never started again.
    StartsOnce,
    /// A tool that gave no answer counts as one that refused.
    SilenceIsRefusal,
    /// An agent that is being stopped believes what its ended tools say.
    StopsUnheard,
    /// The agent begins what it was ordered whenever it comes to it.
    BeginsWhenever,
    /// Whoever comes up does not stop the BMC's watchdog.
    LeavesTheWatchdog,
}
