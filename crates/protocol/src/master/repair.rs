//! Damaged messages of the master's own log: fetched from a secondary that has them.
//!
//! A master takes messages while a ready secondary has all that is damaged here: nothing is lost then. Without one it
//! is read-only until there is one, or the damage is mended another way.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{Damage, DiskFault, LogEnd, Records, RequestId};
use tracing::{debug, error, info, warn};

use super::{Master, Member, MemberId};
use crate::machine::Effect;
use crate::repair::Repair;
use crate::status::Status;

/// The repair of the master's log.
#[derive(Debug)]
pub(super) struct MasterRepair {
    of_log: Repair,
    /// Who was asked last.
    last: Option<MemberId>,
    /// Whether that one's answer is awaited.
    is_asked: bool,
    /// Until when its answer is taken to be on its way, although its time is over.
    comes_until: Option<Instant>,
}

impl<L: LogView> Master<L> {
    /// The log told what of it is damaged.
    pub(super) fn damaged(&mut self, now: Instant, damage: Option<Damage>) {
        match (damage, &mut self.repair) {
            (Some(damage), Some(repair)) => repair.of_log.tell(now, damage, &mut self.rng),
            (Some(damage), None) => {
                let of_log = Repair::new(damage);
                self.repair =
                    Some(MasterRepair { of_log, last: None, is_asked: false, comes_until: None });
            }
            (None, repair) => {
                if repair.take().is_some() {
                    info!("the log is whole again");
                }
            }
        }
    }

    /// What keeps messages from being taken: the disk, or damage of which no other node has a copy.
    pub(super) fn fault(&self) -> Option<DiskFault> {
        let damage = self.repair.as_ref().filter(|_| self.lacks_copy);
        self.disk_fault.clone().or_else(|| damage.map(|repair| repair.of_log.fault()))
    }

    /// What `/health` tells of the disk.
    pub(super) fn fault_shown(&self) -> Option<DiskFault> {
        let damage = || self.repair.as_ref().map(|repair| repair.of_log.fault());
        self.disk_fault.clone().or_else(damage)
    }

    /// Notes whether something is damaged of which no other node has a copy, and tells when that changes.
    pub(super) fn note_copies(&mut self) {
        let damage = self.repair.as_ref().map(|repair| repair.of_log.damage());
        let is_lost = |until: LogEnd| !self.registered().any(|member| has_all(member, until));
        let lacks_copy = damage.is_some_and(|damage| is_lost(damage.until));
        if std::mem::replace(&mut self.lacks_copy, lacks_copy) == lacks_copy {
            return;
        }
        if lacks_copy {
            let detail = self.fault().map(|fault| fault.to_string());
            error!(
                detail,
                "read-only: a part of the log is damaged, and no secondary that is ready has it"
            );
        } else {
            info!("read-write: what was damaged is mended, or a secondary has it");
        }
    }

    /// Asks a secondary for what is damaged, if that is due: each time another one, where there are several.
    pub(super) fn pursue_repair(&mut self, now: Instant) {
        if self.time.is_paused() {
            return;
        }
        let Some(repair) = &mut self.repair else { return };
        repair.of_log.wake(now);
        repair.comes_until = None;
        if let Some(last) = repair.last.filter(|_| repair.is_asked) {
            let member = self.members.get(last);
            if member.is_some_and(Member::owes_page) {
                return;
            }
            let comes_until = member.and_then(Member::page_comes_until);
            repair.comes_until = comes_until.filter(|&until| until > now);
            if repair.comes_until.is_some() {
                return;
            }
            // An answer without it, or none.
            repair.is_asked = false;
            repair.of_log.failed(now, &mut self.rng);
        }
        let Some(wanted) = repair.of_log.due() else { return };
        let able =
            |member: &Member| has_all(member, wanted.end()) && member.may_be_asked_for_pages();
        let Some(id) = self.members.next_after(repair.last, able) else { return };
        (repair.last, repair.is_asked) = (Some(id), true);
        let peer = self.members.get(id).map(|member| member.name().as_str());
        info!(repeats = true, peer, id = %wanted, "asking a secondary for messages that are damaged here");
        self.let_act(id..=id, |member, context| member.ask_for_page(now, wanted.start(), context));
    }

    /// A secondary that was asked gave a page.
    pub(super) fn take_page(
        &mut self,
        now: Instant,
        id: MemberId,
        request: RequestId,
        page: &Records,
    ) {
        let Some(repair) = &mut self.repair else { return };
        let Some(member) = self.members.get(id) else { return };
        let (peer, (asked, owes_other)) = (member.name().clone(), member.page_asked_for(request));
        if repair.last == Some(id) {
            repair.is_asked = owes_other;
        }
        let range = page.range();
        match repair.of_log.take(page) {
            Some(run) => self.effects.push_back(Effect::Mend { peer, run }),
            None if asked.is_some_and(|from| range.is_empty() || range.start() != from) => {
                warn!(repeats = true, %peer, %request, id = %range,
                    "a page has not the messages that are damaged here");
                repair.of_log.failed(now, &mut self.rng);
            }
            // Asked for once more, since it took so long, and the first answer had them.
            None => debug!(%peer, %request, id = %range, "a page came that is not wanted any more"),
        }
    }

    /// When somebody is asked again.
    pub(super) fn next_repair(&self) -> Option<Instant> {
        let repair = self.repair.as_ref()?;
        repair.of_log.next_deadline().into_iter().chain(repair.comes_until).min()
    }
}

/// Whether a secondary is there and has everything before `end`.
fn has_all(member: &Member, end: LogEnd) -> bool {
    member.is_ready() && member.status() == Status::Healthy && member.acked_end() >= end
}
