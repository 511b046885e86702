//! "Reboot required", merged from all who can say it.

use h8lio_model::inventory::{Problem, RebootReason, RebootRequired};

use super::kernel::{Kernel, judge};
use super::parse::maps;
use super::parse::needrestart::{Finding, Findings};
use crate::host::packages::RawReboot;
use crate::words::plain;

/// One source that says yes is enough for yes. "No" needs three answers: that the kernel is the
/// newest (from needrestart or from the packages), that there is no sentinel file, and what
/// process 1 maps. Otherwise it cannot be told.
pub(super) fn merge(
    raw: &RawReboot,
    findings: Option<&Findings>,
    kernels: Option<&[String]>,
    problems: &mut Vec<Problem>,
) -> RebootRequired {
    let mut reasons = Vec::new();
    let kernel_known = kernel(raw, findings, kernels, &mut reasons, problems);
    if let Some(Finding::Pending { current, expected }) = findings.map(|f| &f.microcode) {
        reasons.push(RebootReason::Microcode {
            loaded: current.clone(),
            installed: expected.clone(),
        });
    }
    if let Some(sentinel) = raw.sentinel.as_ref().filter(|s| s.present) {
        reasons.push(RebootReason::Sentinel {
            packages: lines(&sentinel.packages),
        });
    }
    let libraries = raw.init_maps.as_deref().map(maps::replaced_libraries);
    let libraries = match libraries {
        Some(Ok(libraries)) => Some(libraries),
        Some(Err(e)) => {
            problems.push(e.problem("/proc/1/maps"));
            None
        }
        None => None,
    };
    let init_known = libraries.is_some();
    if let Some(libraries) = libraries.filter(|l| !l.is_empty()) {
        reasons.push(RebootReason::InitLibraries { libraries });
    }
    reasons.sort();
    reasons.dedup();
    let required = if !reasons.is_empty() {
        Some(true)
    } else if kernel_known && init_known && raw.sentinel.is_some() {
        Some(false)
    } else {
        None
    };
    RebootRequired { required, reasons }
}

/// Adds what is known of the kernel; `false` when nothing is.
fn kernel(
    raw: &RawReboot,
    findings: Option<&Findings>,
    kernels: Option<&[String]>,
    reasons: &mut Vec<RebootReason>,
    problems: &mut Vec<Problem>,
) -> bool {
    let mut known = false;
    match findings.map(|f| &f.kernel) {
        Some(Finding::Pending { current, expected }) => {
            known = true;
            reasons.push(RebootReason::Kernel {
                running: current.clone(),
                installed: expected.clone(),
            });
        }
        Some(Finding::Current) => known = true,
        Some(Finding::Unknown) | None => {}
    }
    let (Some(running), Some(kernels)) = (&raw.running_kernel, kernels) else {
        return known;
    };
    match judge(running, kernels) {
        Kernel::Newest => known = true,
        Kernel::Behind { installed } => {
            known = true;
            reasons.push(RebootReason::Kernel {
                running: running.clone(),
                installed,
            });
        }
        Kernel::NotPackaged if !known => problems.push(Problem {
            what: "newest kernel".to_owned(),
            reason: "Failed".to_owned(),
            message: format!(
                "the running kernel {} is in no installed package, so it cannot be told whether \
                 a newer one waits",
                plain(running)
            ),
        }),
        Kernel::NotPackaged => {}
    }
    known
}

/// Names in the sentinel's companion; packages write into it one after the other.
fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut names: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}
