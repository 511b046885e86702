//! The plan that holds: replaced by compare-and-set on its name.

use h8lio_model::plan::{Plan, PlanId};

/// The current plan. Whoever keeps it stored does the same comparison in his transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(Plan);

/// A plan that was made from another plan than the current one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTheSuccessor {
    #[error(
        "plan {plan} follows plan {parent}, and plan {current} holds by now; plan again from it"
    )]
    Overtaken {
        plan: PlanId,
        parent: PlanId,
        current: PlanId,
    },
    #[error("plan {plan} follows no plan, and plan {current} holds already")]
    Root { plan: PlanId, current: PlanId },
}

impl Target {
    /// Begins with a plan.
    pub const fn new(plan: Plan) -> Self {
        Self(plan)
    }

    pub const fn current(&self) -> &Plan {
        &self.0
    }

    /// Makes `plan` the current one, if it was made from the one that is. Setting the current plan
    /// again changes nothing.
    ///
    /// # Errors
    /// [`NotTheSuccessor`]; the current plan stays.
    pub fn advance(&mut self, plan: Plan) -> Result<(), NotTheSuccessor> {
        let current = self.0.id();
        if plan.id() == current {
            return Ok(());
        }
        match plan.parent() {
            Some(parent) if parent == current => {
                self.0 = plan;
                Ok(())
            }
            Some(parent) => Err(NotTheSuccessor::Overtaken {
                plan: plan.id(),
                parent,
                current,
            }),
            None => Err(NotTheSuccessor::Root {
                plan: plan.id(),
                current,
            }),
        }
    }
}
