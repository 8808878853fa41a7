//! A plan in the making.

use super::{Action, Plan, ROUTING_REGION, Rollout, Routing, Settings, StackStep, Step, StepId, Value, Verification};

/// Output of the routing stack that [`Action::Endpoints`] adds.
const ENDPOINTS: &str = "ArcEndpoints";

pub(super) struct Draft<'a> {
    settings: &'a Settings,
    rollout: &'a Rollout,
    /// In the order in which they are dealt with.
    order: [&'a String; 2],
    steps: Vec<Step>,
}

/// Steps of the two Regions, in the order in which they are dealt with.
type Both = [StepId; 2];

impl<'a> Draft<'a> {
    pub fn new(settings: &'a Settings, rollout: &'a Rollout) -> Self {
        let [primary, standby] = &settings.regions;
        let order = match rollout {
            Rollout::Update { active } if active == standby => [primary, standby],
            _ => [standby, primary],
        };
        Self { settings, rollout, order, steps: Vec::new() }
    }

    pub fn finish(mut self) -> Plan {
        let networks = (self.settings.routing == Routing::Arc).then(|| self.both("network"));
        let storage = self.both("storage");
        let state = self.stack("state", &self.settings.regions[0].clone(), Vec::new(), &storage);
        let packages = self.packages();
        let routing = match networks {
            Some(networks) => Some(self.cluster(&networks)),
            None => (self.settings.routing == Routing::Dns).then(|| self.record()),
        };
        let before_batch: Vec<StepId> = [state].into_iter().chain(routing).collect();
        self.regions_in_turn(&before_batch, &packages, &storage);
        self.canary();
        self.verifications();
        Plan { steps: self.steps }
    }

    /// The batch stack and what follows it, in one Region after the other: the second must not begin before the first is
    /// seen to work.
    fn regions_in_turn(&mut self, before: &[StepId], packages: &Both, storage: &Both) {
        let mut gate = Vec::new();
        for (place, region) in self.order.map(Clone::clone).into_iter().enumerate() {
            let needs = [before, &[packages[place]], &gate].concat();
            let batch = self.stack("batch", &region, self.batch_links(&region), &needs);
            let links = self.storage_links(&region);
            let mut last = vec![self.stack("storage", &region, links, &[batch, storage[0], storage[1]])];
            if let Some(step) = self.steps.last_mut() {
                step.name = "storage, linked".to_owned();
            }
            if self.settings.runbook {
                last.push(self.stack("failover", &region, Vec::new(), &[batch]));
            }
            if self.settings.observability {
                last.push(self.stack("observability", &region, Vec::new(), &[batch]));
            }
            gate = match self.rollout {
                Rollout::AtOnce => Vec::new(),
                Rollout::First => last,
                Rollout::Update { .. } if place == 0 => vec![self.verify(Verification::Answers, &region, &last)],
                Rollout::Update { .. } => last,
            };
        }
    }

    /// The canary, after what it looks at; its package is ready long before.
    fn canary(&mut self) {
        let Some(region) = self.settings.canary.clone() else { return };
        let packages = self.steps.iter().position(|step| matches!(step.action, Action::Package("canary")));
        let linked = self.steps.iter().enumerate().filter(|(_, step)| step.name == "storage, linked").map(|(id, _)| id);
        let needs: Vec<StepId> = packages.into_iter().chain(linked).collect();
        let links = vec![("MrapArn", self.output(&self.settings.regions[0], "state", "MrapArn"))];
        self.stack("canary", &region, links, &needs);
    }

    /// What is tried at the end.
    fn verifications(&mut self) {
        let [primary, standby] = self.settings.regions.clone();
        let tries = match self.rollout {
            Rollout::AtOnce => Vec::new(),
            Rollout::First => vec![
                (Verification::Activate, standby.clone()),
                (Verification::Delivers, standby),
                (Verification::Activate, primary.clone()),
                (Verification::Delivers, primary),
            ],
            Rollout::Update { active } => {
                vec![(Verification::Answers, active.clone()), (Verification::Delivers, active.clone())]
            }
        };
        let mut needs: Vec<StepId> = (0..self.steps.len()).collect();
        for (verification, region) in tries {
            needs = vec![self.verify(verification, &region, &needs)];
        }
    }

    /// The same stack in both Regions, the second after the first unless they come at once.
    fn both(&mut self, kind: &'static str) -> Both {
        let [one, two] = self.order.map(Clone::clone);
        let first = self.stack(kind, &one, Vec::new(), &[]);
        let before = [first];
        let needs = if *self.rollout == Rollout::AtOnce { &before[..0] } else { &before[..] };
        let second = self.stack(kind, &two, Vec::new(), needs);
        [first, second]
    }

    fn packages(&mut self) -> Both {
        if let Some(region) = self.settings.canary.clone() {
            self.add("package", &region, &[], Action::Package("canary"));
        }
        self.order.map(Clone::clone).map(|region| self.add("package", &region, &[], Action::Package("batch")))
    }

    /// The routing stack of mode arc, and its endpoints.
    fn cluster(&mut self, networks: &Both) -> StepId {
        let [primary, standby] = self.settings.regions.clone();
        let links = vec![
            ("PrimaryVpcId", self.output(&primary, "network", "VpcId")),
            ("StandbyVpcId", self.output(&standby, "network", "VpcId")),
        ];
        let stack = self.stack("routing", ROUTING_REGION, links, networks);
        self.add("routing endpoints", ROUTING_REGION, &[stack], Action::Endpoints)
    }

    /// The zone of mode dns, and its record.
    fn record(&mut self) -> StepId {
        let primary = self.settings.regions[0].clone();
        let zone = self.stack("routing-dns", &primary, Vec::new(), &[]);
        let active = match self.rollout {
            Rollout::Update { active } => active.clone(),
            Rollout::AtOnce | Rollout::First => primary.clone(),
        };
        self.add("routing record", &primary, &[zone], Action::Record { active })
    }

    fn batch_links(&self, region: &str) -> Links {
        let primary = &self.settings.regions[0];
        let mut links = vec![("MrapArn", self.output(primary, "state", "MrapArn"))];
        match self.settings.routing {
            Routing::Arc => links.extend([
                ("RoutingMode", Value::Text("arc".to_owned())),
                ("SubnetIds", self.output(region, "network", "SubnetIds")),
                ("SecurityGroupIds", self.output(region, "network", "SecurityGroupId")),
                ("ArcEndpoints", self.output(ROUTING_REGION, "routing", ENDPOINTS)),
                ("ArcControls", self.output(ROUTING_REGION, "routing", "ArcControls")),
            ]),
            Routing::Dns => links.extend([
                ("RoutingMode", Value::Text("dns".to_owned())),
                ("HostedZoneId", self.output(primary, "routing-dns", "HostedZoneId")),
                ("ActiveRecord", self.output(primary, "routing-dns", "ActiveRecord")),
                ("TxtTtlSeconds", Value::Text(self.settings.record_ttl())),
            ]),
            Routing::Given => {}
        }
        links
    }

    fn storage_links(&self, region: &str) -> Links {
        let peer = format!("arn:aws:s3:::{}", self.settings.bucket(self.peer(region)));
        vec![
            ("PeerBucketArn", Value::Text(peer)),
            ("IntakeFunctionArn", self.output(region, "batch", "IntakeFunctionArn")),
        ]
    }

    /// The batch stacks' key, in this Region and in the other: what they seal is replicated from the first result on.
    fn results_key(&self, region: &str) -> Vec<(String, String)> {
        let key = |region| self.settings.own_key(region).unwrap_or_default();
        vec![("KmsKeyArn".to_owned(), key(region)), ("PeerKmsKeyArn".to_owned(), key(self.peer(region)))]
    }

    fn peer(&self, region: &str) -> &str {
        let [primary, standby] = &self.settings.regions;
        if region == primary { standby } else { primary }
    }

    fn output(&self, region: &str, kind: &str, output: &'static str) -> Value {
        Value::Output { region: region.to_owned(), stack: self.settings.stack(kind), output }
    }

    fn stack(&mut self, kind: &'static str, region: &str, links: Links, needs: &[StepId]) -> StepId {
        let [primary, standby] = &self.settings.regions;
        let known = [("Suffix", &self.settings.suffix), ("PrimaryRegion", primary), ("StandbyRegion", standby)];
        let known = known.map(|(name, value)| (name.to_owned(), value.clone()));
        let given = self.settings.parameters.get(kind).cloned().unwrap_or_default();
        // One key for both Regions, in each the Region's own: a key of KMS, for example.
        let texts =
            known.into_iter().chain(given).chain(if kind == "storage" { self.results_key(region) } else { Vec::new() });
        let texts = texts.map(|(name, value)| (name, Value::Text(value.replace("{region}", region))));
        let parameters = texts.chain(links.into_iter().map(|(name, value)| (name.to_owned(), value))).collect();
        let stack = StackStep {
            kind,
            stack: self.settings.stack(kind),
            packaged: ["batch", "canary"].contains(&kind),
            parameters,
        };
        self.add(kind, region, needs, Action::Stack(stack))
    }

    fn verify(&mut self, verification: Verification, region: &str, needs: &[StepId]) -> StepId {
        let name = match verification {
            Verification::Answers => "functions answer",
            Verification::Activate => "made active",
            Verification::Delivers => "smoke file",
        };
        self.add(name, region, needs, Action::Verify(verification))
    }

    fn add(&mut self, name: &str, region: &str, needs: &[StepId], action: Action) -> StepId {
        let (name, region) = (name.to_owned(), region.to_owned());
        self.steps.push(Step { name, region, needs: needs.to_vec(), action });
        self.steps.len() - 1
    }
}

/// Parameters that come from elsewhere.
type Links = Vec<(&'static str, Value)>;
