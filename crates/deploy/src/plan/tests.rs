//! Properties of every plan.

#![allow(clippy::panic)]

use super::*;

fn settings(routing: Routing) -> Settings {
    Settings {
        suffix: "dev".to_owned(),
        account: "123456789012".to_owned(),
        regions: ["us-east-1".to_owned(), "us-west-2".to_owned()],
        routing,
        runbook: routing != Routing::Given,
        observability: routing == Routing::Arc,
        canary: (routing == Routing::Arc).then(|| "us-east-2".to_owned()),
        parameters: BTreeMap::new(),
    }
}

fn rollouts() -> Vec<Rollout> {
    let active = |region: &str| Rollout::Update { active: region.to_owned() };
    vec![Rollout::AtOnce, Rollout::First, active("us-east-1"), active("us-west-2")]
}

fn position(plan: &Plan, title: &str) -> usize {
    let titles: Vec<String> = plan.steps.iter().map(Step::title).collect();
    titles.iter().position(|known| known == title).unwrap_or_else(|| panic!("{title} is none of {titles:?}"))
}

/// Whether a step can't begin before another is done.
fn waits_for(plan: &Plan, later: usize, earlier: usize) -> bool {
    later == earlier || plan.steps[later].needs.iter().any(|need| waits_for(plan, *need, earlier))
}

#[test]
fn every_step_comes_after_what_it_needs_and_after_the_stacks_whose_outputs_it_takes() {
    for routing in [Routing::Arc, Routing::Dns, Routing::Given] {
        for rollout in rollouts() {
            let plan = Plan::new(&settings(routing), &rollout);
            for (number, step) in plan.steps.iter().enumerate() {
                assert!(step.needs.iter().all(|need| *need < number), "{}", step.title());
                let Action::Stack(stack) = &step.action else { continue };
                for value in stack.parameters.values() {
                    let Value::Output { region, stack, output } = value else { continue };
                    let made = plan.steps.iter().position(|other| match &other.action {
                        Action::Endpoints => *output == "ArcEndpoints",
                        Action::Stack(other_stack) => {
                            *output != "ArcEndpoints" && other_stack.stack == *stack && other.region == *region
                        }
                        _ => false,
                    });
                    let made = made.unwrap_or_else(|| panic!("{output} of {stack} {region}"));
                    assert!(waits_for(&plan, number, made), "{} does not wait for {output}", step.title());
                }
            }
        }
    }
}

#[test]
fn both_regions_come_at_once_for_whoever_waits_for_local_ones() {
    let plan = Plan::new(&settings(Routing::Given), &Rollout::AtOnce);
    for kind in ["storage", "package", "batch", "storage, linked"] {
        let [one, two] = ["us-east-1", "us-west-2"].map(|region| position(&plan, &format!("{kind} {region}")));
        assert!(!waits_for(&plan, one, two) && !waits_for(&plan, two, one), "{kind}");
    }
    assert!(plan.steps.iter().all(|step| !matches!(step.action, Action::Verify(_))));
}

#[test]
fn for_the_first_time_the_standby_comes_first_and_the_primary_is_active_in_the_end() {
    let plan = Plan::new(&settings(Routing::Arc), &Rollout::First);
    for kind in ["network", "storage", "batch", "storage, linked", "failover", "observability"] {
        let [primary, standby] = ["us-east-1", "us-west-2"].map(|region| position(&plan, &format!("{kind} {region}")));
        assert!(primary > standby, "{kind}");
    }
    let batch = position(&plan, "batch us-east-1");
    assert!(waits_for(&plan, batch, position(&plan, "storage, linked us-west-2")));
    let last: Vec<String> = plan.steps[plan.steps.len() - 4..].iter().map(Step::title).collect();
    let expected = ["made active us-west-2", "smoke file us-west-2", "made active us-east-1", "smoke file us-east-1"];
    assert_eq!(last, expected);
    // Whatever ends last, the trials come after it.
    for step in 0..plan.steps.len() - 4 {
        assert!(waits_for(&plan, plan.steps.len() - 4, step));
    }
}

#[test]
fn an_update_begins_where_nobody_works_never_changes_the_active_region_and_stops_if_functions_do_not_answer() {
    for (active, passive) in [("us-east-1", "us-west-2"), ("us-west-2", "us-east-1")] {
        let plan = Plan::new(&settings(Routing::Arc), &Rollout::Update { active: active.to_owned() });
        let gate = position(&plan, &format!("functions answer {passive}"));
        assert!(waits_for(&plan, gate, position(&plan, &format!("storage, linked {passive}"))));
        assert!(waits_for(&plan, position(&plan, &format!("batch {active}")), gate));
        assert!(plan.steps.iter().all(|step| step.action != Action::Verify(Verification::Activate)));
        assert_eq!(plan.steps.last().map(Step::title), Some(format!("smoke file {active}")));
    }
}

#[test]
fn without_a_cluster_of_its_own_there_is_neither_network_nor_routing() {
    let kinds = |routing| {
        let plan = Plan::new(&settings(routing), &Rollout::First);
        plan.stacks().map(|(_, stack)| stack.kind).collect::<std::collections::BTreeSet<_>>()
    };
    let all = ["batch", "canary", "failover", "network", "observability", "routing", "state", "storage"];
    assert_eq!(kinds(Routing::Arc), all.into());
    assert_eq!(kinds(Routing::Dns), ["batch", "failover", "routing-dns", "state", "storage"].into());
    assert_eq!(kinds(Routing::Given), ["batch", "state", "storage"].into());
}

#[test]
fn the_key_that_seals_results_is_known_to_both_buckets_in_either_regions_words() {
    let mut settings = settings(Routing::Arc);
    let key = "arn:aws:kms:{region}:123456789012:key/mrk-1";
    settings.parameters.entry("batch".into()).or_default().insert("KmsKeyArn".into(), key.into());
    let plan = Plan::new(&settings, &Rollout::First);
    let mut seen = 0;
    for (step, stack) in plan.stacks().filter(|(_, stack)| stack.kind == "storage") {
        let there = if step.region == "us-east-1" { "us-west-2" } else { "us-east-1" };
        for (name, region) in [("KmsKeyArn", step.region.as_str()), ("PeerKmsKeyArn", there)] {
            assert_eq!(stack.parameters[name], Value::Text(key.replace("{region}", region)), "{}", step.title());
        }
        seen += 1;
    }
    assert_eq!(seen, 4, "before and after the functions are there");
}
