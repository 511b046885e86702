//! `make bench`: h8lio measured beside its peers, in one run, on one machine.
//!
//! The programs measured are the ones that are packaged, each a process of its own; the load
//! comes from other processes (`load`), so that what is counted in `/proc/PID` is the program's
//! alone. Peers get the same kind of load in the same run. Rates are per second of processor time
//! and not of the clock: other work on the machine changes them little.

pub mod cli;
pub mod clock;
pub mod coordinator;
pub mod etcd;
pub mod kinds;
pub mod load;
pub mod machine;
pub mod measure;
pub mod process;
pub mod report;
pub mod run;
