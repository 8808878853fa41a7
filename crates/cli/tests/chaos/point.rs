//! Where in its life a batch is stopped.

use std::time::{Duration, Instant};

use tandem_local::admin::{Fault, FaultAction};

use crate::regions::{Regions, wait_for};
use crate::scenario::LOST;

/// A point of a batch's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    AfterTheUpload,
    AfterTheClaim,
    AfterStartExecution,
    InsideSplit,
    InsideValidate,
    InsideEnrich,
    InsideMerge,
    BeforeTheFence,
    BetweenFenceAndMail,
    AfterTheMail,
}

pub const POINTS: [Point; 10] = [
    Point::AfterTheUpload,
    Point::AfterTheClaim,
    Point::AfterStartExecution,
    Point::InsideSplit,
    Point::InsideValidate,
    Point::InsideEnrich,
    Point::InsideMerge,
    Point::BeforeTheFence,
    Point::BetweenFenceAndMail,
    Point::AfterTheMail,
];

/// Calls that are held, so that a batch stands still, and whether once only.
pub struct Held(Vec<(u64, bool)>);

impl Point {
    pub const fn name(self) -> &'static str {
        match self {
            Self::AfterTheUpload => "after_the_upload",
            Self::AfterTheClaim => "after_the_claim",
            Self::AfterStartExecution => "after_start_execution",
            Self::InsideSplit => "inside_split",
            Self::InsideValidate => "inside_validate",
            Self::InsideEnrich => "inside_enrich",
            Self::InsideMerge => "inside_merge",
            Self::BeforeTheFence => "before_the_fence",
            Self::BetweenFenceAndMail => "between_fence_and_mail",
            Self::AfterTheMail => "after_the_mail",
        }
    }

    /// The function that is in the middle of its work there.
    pub const fn function(self) -> &'static str {
        match self {
            Self::AfterTheUpload | Self::AfterTheClaim | Self::AfterStartExecution => "intake",
            Self::InsideSplit => "split",
            Self::InsideValidate => "validate",
            Self::InsideEnrich => "enrich",
            Self::InsideMerge => "merge",
            Self::BeforeTheFence | Self::BetweenFenceAndMail | Self::AfterTheMail => "deliver",
        }
    }

    /// Whether the batch is DELIVERING there, so that it is taken over only after the grace.
    pub const fn is_delivering(self) -> bool {
        matches!(self, Self::BetweenFenceAndMail | Self::AfterTheMail)
    }

    /// The most e-mails that a batch may have had: one more only where its process dies after the mail service's answer.
    pub const fn most_emails(self) -> usize {
        if matches!(self, Self::AfterTheMail) { 2 } else { 1 }
    }

    /// Sees to it that the next batch in the Region that will be lost stops here.
    pub fn hold(self, regions: &Regions) -> Held {
        let call = |service: &str, operation: &str, action: FaultAction| Fault {
            service: Some(service.into()),
            operation: Some(operation.into()),
            region: Some(LOST.into()),
            ..Fault::new(action)
        };
        let fence =
            |action| Fault { body_contains: Some("DELIVERING".into()), ..call("dynamodb", "UpdateItem", action) };
        // The input: what an execution of an earlier batch still reads of its parts is none of this one's.
        let reading = || Fault { path_contains: Some("/input/".into()), ..call("s3", "GetObject", FaultAction::Hold) };
        let faults = match self {
            Self::AfterTheUpload => vec![call("dynamodb", "PutItem", FaultAction::Hold)],
            Self::AfterTheClaim => vec![call("states", "StartExecution", FaultAction::Hold)],
            Self::AfterStartExecution => {
                // The execution has begun, and intake does not know.
                vec![call("states", "StartExecution", FaultAction::HoldAnswer), reading()]
            }
            Self::InsideSplit => vec![reading()],
            Self::InsideValidate => {
                vec![Fault { path_contains: Some("/valid.csv".into()), ..call("s3", "PutObject", FaultAction::Hold) }]
            }
            Self::InsideEnrich => vec![call("dynamodb", "BatchGetItem", FaultAction::Hold)],
            Self::InsideMerge => {
                vec![Fault { path_contains: Some("/output/".into()), ..call("s3", "PutObject", FaultAction::Hold) }]
            }
            Self::BeforeTheFence => vec![fence(FaultAction::Hold)],
            Self::BetweenFenceAndMail => vec![fence(FaultAction::HoldAnswer)],
            // Once: each answer that is lost here may cost one more e-mail.
            Self::AfterTheMail => {
                vec![Fault { times: Some(1), ..call("ses", "SendEmail", FaultAction::HoldAnswer) }]
            }
        };
        let add = |fault: &Fault| (wait_for(regions.admin().add_fault(fault)).unwrap().id, fault.times.is_some());
        Held(faults.iter().map(add).collect())
    }
}

impl Held {
    /// Waits until the batch stands still.
    pub fn wait(&self, regions: &Regions) {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let faults = wait_for(regions.admin().faults()).unwrap();
            let known = |id: u64| faults.iter().find(|fault| fault.id == id);
            // What is held once is forgotten as soon as its caller gives up.
            if self.0.iter().all(|&(id, once)| known(id).map_or(once, |fault| fault.held > 0)) {
                return;
            }
            assert!(Instant::now() < deadline, "the batch never came to this point: {faults:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lets go.
    pub fn release(self, regions: &Regions) {
        for (id, _) in self.0 {
            wait_for(regions.admin().remove_fault(id)).unwrap();
        }
    }
}
