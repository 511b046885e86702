//! What ledgers say: written as far as it must not be forgotten, then believed.

use std::sync::Arc;

use h8lio_executor::{Behind, behind};
use h8lio_model::event::Severity;
use h8lio_model::lifecycle::Admission;
use h8lio_model::order::{AttemptReport, Generation, OrderNumber, OrderReport, Outcome};
use h8lio_model::plan::Slot;
use h8lio_planner::inventory::Fact;

use super::Driver;
use crate::registry::Node;

impl Driver {
    /// Hears all nodes, until the store gives trouble: then nothing is decided anyway. Who is not
    /// connected has said nothing.
    pub(super) async fn hear(&mut self, nodes: &[Arc<Node>]) {
        for node in nodes {
            let barred = node.restriction().is_some();
            if barred || node.record().value.admission != Admission::Enrolled {
                // What it once said is about a server that is no part of the fleet.
                if let Err(error) = self.parts.recovery.forget(node.id).await {
                    self.note_trouble(&error);
                }
            }
            match self.says(node) {
                Some(report) if self.trouble.is_none() => self.hear_one(node, report).await,
                Some(_) => {}
                None => self.unhear(node),
            }
        }
    }

    /// What its ledger says in the session that is open now.
    fn says(&mut self, node: &Node) -> Option<OrderReport> {
        let open = self.parts.table.get(node.id)?;
        let may_speak = node.record().value.admission == Admission::Enrolled
            && node.restriction().is_none()
            && open.has_told_orders();
        let fact = may_speak.then(|| self.cache.orders(node)).flatten();
        fact.map(|fact| fact.value)
    }

    fn unhear(&mut self, node: &Node) {
        self.parts.recovery.unhear(node.id);
        if let Some(known) = self.known.get_mut(&node.id) {
            known.report = None;
        }
    }

    async fn hear_one(&mut self, node: &Node, report: OrderReport) {
        let recovery = Arc::clone(&self.parts.recovery);
        recovery.hear(node.id, &report);
        if let Some(why) = self.knows_more(node, &report)
            && let Err(error) = recovery
                .note(&node.record().value.name, &why, self.parts.clock.now())
                .await
        {
            self.note_trouble(&error);
        }
        let heard = self.known.entry(node.id).or_default().hear(&report);
        if let Some(other) = &heard.contradicted {
            self.say_contradicted(node, other);
            // Whom nobody can believe is sent nothing, and holds its place until a person looked.
            self.unhear(node);
            return;
        }
        if let Some(record) = &heard.record {
            match self.records.write(node.id, record).await {
                Ok(()) => self.say_unknown(node, record.end.as_ref()),
                // It is said again in the next report, and until then it was not heard.
                Err(error) => return self.note_trouble(&error),
            }
        }
        if let Some(known) = self.known.get_mut(&node.id) {
            known.take(report, &heard);
        }
    }

    /// It was ordered more than this coordinator knows of, or is at something that was ordered in
    /// another life of its data.
    fn knows_more(&self, node: &Node, report: &OrderReport) -> Option<Behind> {
        let (term, plan) = (&self.parts.term, self.plans.current());
        if let Err(why) = behind(term, plan, node.id, report) {
            return Some(why);
        }
        let slots = &plan.content().slots;
        let mark = report
            .highest()
            .filter(|m| m.incarnation != term.incarnation)?;
        let running = report.running.as_ref()?;
        let known = slots.get(&node.id).map(|slot| slot.attempt);
        (known != Some(running.attempt)).then(|| Behind {
            node: node.id,
            seen: mark.number(),
            known: OrderNumber {
                epoch: term.epoch,
                generation: Generation::default(),
            },
        })
    }

    /// What the planner may believe of its ledger, as old as its last confirmation.
    pub(super) fn told(&self, node: &Node, slot: Option<&Slot>) -> Option<Fact<OrderReport>> {
        let told = self.known.get(&node.id)?.told(slot)?;
        let kind = h8lio_model::section::SectionKind::Orders;
        let observed = node.observed().into_iter().find(|(k, _)| *k == kind)?;
        Some(Fact::new(told, observed.1))
    }

    fn say_contradicted(&mut self, node: &Node, other: &AttemptReport) {
        if !self
            .contradicted
            .insert((node.id, other.attempt, other.outcome))
        {
            return;
        }
        let name = node.record().value.name.clone();
        let message = format!(
            "node {name} now says that attempt {} ended as {}, and it had reported another end; \
             that one stands, and the node is sent nothing. Its ledger was changed or copied: look \
             at the server",
            other.attempt, other.outcome
        );
        let feed = &self.parts.feed;
        feed.node(
            Severity::Alert,
            "AttemptContradicted",
            node.id,
            &name,
            message,
        );
    }

    /// An end that nobody saw is told when it is found out: its slot stays, so nothing else would
    /// tell it.
    fn say_unknown(&self, node: &Node, end: Option<&AttemptReport>) {
        let Some(end) = end.filter(|end| end.outcome == Outcome::Unknown) else {
            return;
        };
        let name = node.record().value.name.clone();
        let message = format!(
            "node {name}: nobody saw how attempt {} ended ({}: {})",
            end.attempt, end.reason, end.message
        );
        let feed = &self.parts.feed;
        feed.node(Severity::Warning, "AttemptUnknown", node.id, &name, message);
    }
}
