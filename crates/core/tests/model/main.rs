//! The protocol of ownership as a model, checked exhaustively: every order in which things can happen, with a few faults each.
//!
//! # What it is
//!
//! Two Regions, a state table, batches, and whoever acts on them: intake, reconciler, executions, `deliver`. They do one step
//! at a time, any of them at any time. What the table lets them do, and what they decide on what they read, is decided by
//! [`tandem_core::ownership`] itself, called on real records ([`row`]): it is the code that is checked. The callers around it
//! (`Protocol`, `Reconciler` and `Delivery` in tandem-core, the state machine) are retold here step by step; when one of them
//! changes, change its twin: `Protocol::intake`, `Protocol::reconcile` in [`progress`], `deliver`'s steps in [`steps`].
//!
//! | read | for |
//! |---|---|
//! | [`world`] | what there is, and what may go wrong |
//! | [`protocol`] | the actions; progress and environment |
//! | [`progress`], [`environment`] | what can happen when |
//! | [`steps`] | what it does |
//! | [`properties`] | what must be true, and what must be seen |
//! | [`histories`] | the configurations, with their numbers of worlds |
//! | [`flaws`] | what the checker finds when something is left out |
//!
//! # How a batch goes
//!
//! An upload lies in one bucket, its replica comes to the other, or never does; S3 tells intake of both. Intake claims where TXT
//! says that its Region is active, and announces where it stands by. Claimed, taken over or announced, an attempt is started
//! (`Start`), noted (`MarkRunning`), worked (`Work`), and then passes the fence (`Fence`). From there `deliver` looks at its lease
//! (`CheckLease`), transmits (`Send`) and writes the end (`End`). The reconciler starts, takes over and gives up what it finds.
//!
//! # Time
//!
//! There are no clocks. Any step may be late by as much as one likes, so every process can stop between any two steps and go
//! on much later: that is what freezing would be for all but `deliver`. Of time only this is assumed:
//! - A call of `deliver` that is neither frozen nor cut off is done before the grace is over: its function's time is limited.
//! - When the grace is over, so is the lease of the fence that it counts from, and a request that was signed in time is too old
//!   for the mail service (`GracePasses`). A lease may end before that (`LeaseEnds`).
//! - The state machine calls `deliver` again only when the call before is over. A flaw shows why.
//! - Somebody who acts on an old answer of TXT does so a bounded number of times.
//!
//! # Liveness
//!
//! Every progress happens a bounded number of times, so left alone a world comes to be quiet. That every batch ends is
//! therefore a property of the quiet worlds, and is checked on each of them ([`properties`]).
//!
//! # When a test fails
//!
//! A broken promise comes with its history, one action a line; `east/1` is attempt 1 in the Region east. Read it from its end. A
//! number of worlds that is another one means that the protocol or the model changed: look whether that was meant.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod environment;
mod flaws;
mod histories;
mod progress;
mod properties;
mod protocol;
mod row;
mod steps;
mod world;
