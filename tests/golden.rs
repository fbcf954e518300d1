//! Transcripts: `tests/golden/*.txt` are stories of simulated clusters, one sentence-named file per behaviour. A story is
//! commands, a rule, and what happened: who sent what to whom, and who was answered. Protocol changes are reviewed as
//! changes of these files; `UPDATE_GOLDENFILES=1 cargo test --test golden` writes them anew.
//!
//! | command | effect |
//! |---|---|
//! | `cluster [send-delay=R] [store-delay=R] [cluster-size=N] [disk-delay=D] [max-waiting=N]` | a new world with a master |
//! | `cluster [quorum=Q] [request-timeout=D] [secondaries=NAME,…]` | likewise |
//! | `start NAME [as=OTHER]` | a secondary with an empty log, which registers as OTHER |
//! | `join NAME…` | starts secondaries and lets them become ready, silently |
//! | `append TEXT... [w=W] [timeout=D] [key=K]` | a sender; several texts are a batch |
//! | `wait ID [w=W] [timeout=D]` | a sender that waits for a message that is there |
//! | `fill N bytes=B` | that many messages of that size, w=1, silently |
//! | `hang-up N` | sender N no longer waits |
//! | `run D` | lets time pass |
//! | `crash NAME`, `disconnect NAME`, `cut-off NAME`, `reach NAME` | failures, and the end of a partition |
//! | `hang NAME`, `go-on NAME` | a node's process stands still and goes on |
//! | `faults NAME [error=R] [drop=R] [duplicate=R] [paused=true] …` | replaces a node's faults, as `PUT /faults` does |
//! | `drop-connections NAME` | the node closes its connections, as `POST /faults/disconnect` does |
//! | `cluster [disk=true]` | likewise: every node has its log on a disk of its own, and starts from it again |
//! | `restart-master` | the master is killed and starts again from its disk |
//! | `copy-master`, `put-back` | keeps a copy of the master's disk; the master is killed and starts from that copy |
//! | `accept-loss` | the master is killed, its loss is accepted, and it starts again |
//! | `wipe NAME` | its disk is taken away, as `acklog log reset` does |
//! | `new-master` | the master is killed and comes back with an empty log |
//! | `lose NAME KIND [N]`, `double NAME KIND [N]`, `delay NAME KIND D` | the next frames of that kind |
//! | `slow D` | every frame takes D from here on |
//! | `break-disk NAME` | its disk takes nothing more |
//! | `forget NAME`, `stop`, `give-up` | what the master is asked; the last two are the stages of a stop |
//! | `logs` | what each node shows |
//! | `health` | how the nodes see themselves and each other |

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use acklog_protocol::{Refusal, Wait};
use acklog_sim::{Cluster, ClusterOptions, Network, Rule, RuleAction};
use acklog_types::{
    Batch, Faults, IdempotencyKey, LogEnd, MessageId, NodeName, Quorum, Rate, WaiterId,
    parse_duration,
};
use goldenscript::{ArgumentConsumer, Command, Context, Runner};

type Output = Result<String, Box<dyn Error>>;

/// Time in which secondaries of a healthy world become ready.
const JOINING: Duration = Duration::from_secs(8);

struct World {
    cluster: Cluster,
}

impl Runner for World {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Output {
        let mut args = command.consume_args();
        let said = self.obey(&command.name, &mut args)?;
        args.reject_next()?;
        Ok(self.cluster.take_trace() + &said)
    }
}

fn name(args: &mut ArgumentConsumer<'_>) -> Result<NodeName, Box<dyn Error>> {
    Ok(args.next_pos().ok_or("a node's name is missing")?.parse()?)
}

fn time(args: &mut ArgumentConsumer<'_>) -> Result<Duration, Box<dyn Error>> {
    Ok(parse_duration(args.next_pos().ok_or("a duration is missing")?)?)
}

fn rate(text: &str) -> Result<Rate, Box<dyn Error>> {
    Rate::new(text.parse()?).ok_or_else(|| "a rate is from 0 to 1".into())
}

fn faults(args: &mut ArgumentConsumer<'_>) -> Result<Faults, Box<dyn Error>> {
    let mut faults = Faults::default();
    while let Some((key, value)) = args.next_key() {
        match key {
            "error" => faults.error_rate = rate(value)?,
            "drop" => faults.drop_rate = rate(value)?,
            "duplicate" => faults.duplicate_rate = rate(value)?,
            "send-delay" => faults.send_delay = Some(value.parse()?),
            "store-delay" => faults.store_delay = Some(value.parse()?),
            "seed" => faults.seed = Some(value.parse()?),
            "paused" => faults.paused = value.parse()?,
            other => return Err(format!("unknown fault {other}").into()),
        }
    }
    Ok(faults)
}

fn waits(args: &mut ArgumentConsumer<'_>) -> Result<Wait, Box<dyn Error>> {
    let write_concern = args.take_key("w").map(str::parse).transpose()?;
    let timeout = args.take_key("timeout").map(parse_duration).transpose()?;
    Ok(Wait { write_concern, timeout })
}

fn refused(refusal: Refusal) -> String {
    format!("refused: {refusal}\n")
}

impl World {
    fn new() -> Self {
        Self { cluster: Cluster::new(ClusterOptions::default()) }
    }

    fn obey(&mut self, command: &str, args: &mut ArgumentConsumer<'_>) -> Output {
        match command {
            "cluster" => self.renew(args)?,
            "start" => {
                let node = name(args)?;
                let registers_as = args.take_key("as").map_or(Ok(node.clone()), str::parse)?;
                self.cluster.start_namesake(&node, &registers_as);
            }
            "join" => self.join(args)?,
            "append" => return self.append(args),
            "fill" => self.fill(args)?,
            "hang-up" => {
                let number = args.next_pos().ok_or("which sender?")?.parse()?;
                self.cluster.cancel(WaiterId::new(number));
            }
            "run" => self.cluster.run_for(time(args)?),
            "crash" => self.cluster.crash(&name(args)?),
            "disconnect" => self.cluster.disconnect(&name(args)?),
            "cut-off" => self.cluster.partition(&name(args)?),
            "reach" => self.cluster.heal(&name(args)?),
            "hang" => self.cluster.hang(node_or_master(&name(args)?)),
            "go-on" => self.cluster.go_on(node_or_master(&name(args)?)),
            "faults" => {
                let node = name(args)?;
                let faults = faults(args)?;
                self.cluster.set_faults(node_or_master(&node), faults);
            }
            "drop-connections" => {
                self.cluster.disconnect_peers(node_or_master(&name(args)?));
            }
            "new-master" => self.cluster.start_master(),
            "copy-master" => self.cluster.copy_master(),
            "put-back" => self.cluster.put_master_back(),
            "accept-loss" => {
                let accepted = self.cluster.accept_loss();
                return Ok(if accepted { "done\n" } else { "no loss\n" }.to_owned());
            }
            "wipe" => self.cluster.wipe(&name(args)?),
            "restart-master" => self.cluster.restart_master(),
            "lose" | "double" | "delay" => self.add_rule(command, args)?,
            "slow" => {
                let delay = time(args)?;
                self.cluster.network =
                    Network { delay_min: delay, delay_max: delay, ..Network::default() };
            }
            "forget" => {
                let forgotten = self.cluster.forget(&name(args)?);
                return Ok(
                    forgotten.map_or_else(|error| format!("{error}\n"), |()| "done\n".into())
                );
            }
            "wait" => {
                let id = MessageId::new(args.next_pos().ok_or("which message?")?.parse()?);
                let answer = self.cluster.wait(id, waits(args)?);
                return Ok(answer.map_or_else(refused, |_| String::new()));
            }
            "break-disk" => self.cluster.break_disk(node_or_master(&name(args)?)),
            "stop" => self.cluster.shut_down_master(),
            "give-up" => self.cluster.give_up_master(),
            "logs" => return Ok(self.logs()),
            "health" => return Ok(self.health()),
            other => return Err(format!("unknown command {other}").into()),
        }
        Ok(String::new())
    }

    fn renew(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<(), Box<dyn Error>> {
        let mut options = ClusterOptions::default();
        while let Some((key, value)) = args.next_key() {
            match key {
                "send-delay" => options.faults.send_delay = Some(value.parse()?),
                "store-delay" => options.faults.store_delay = Some(value.parse()?),
                "request-timeout" => options.request_timeout = parse_duration(value)?,
                "disk" => options.on_disk = value.parse()?,
                "quorum" if value == "majority" => options.quorum = Some(Quorum::Majority),
                "quorum" => options.quorum = Some(Quorum::Nodes(value.parse()?)),
                "secondaries" => {
                    let names = value.split(',').map(str::parse);
                    options.secondaries = Some(names.collect::<Result<_, _>>()?);
                }
                "cluster-size" => options.cluster_size = Some(value.parse()?),
                "disk-delay" => options.disk_delay_max = parse_duration(value)?,
                "max-waiting" => options.max_waiting = value.parse()?,
                other => return Err(format!("unknown option {other}").into()),
            }
        }
        self.cluster = Cluster::new(options);
        Ok(())
    }

    fn join(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<(), Box<dyn Error>> {
        while let Some(node) = args.next_pos() {
            self.cluster.start_secondary(&node.parse()?);
        }
        if !self.cluster.run_until(JOINING, Cluster::has_converged) {
            return Err("they do not become ready".into());
        }
        self.cluster.run_for(Duration::from_millis(10));
        self.cluster.take_trace();
        Ok(())
    }

    fn append(&mut self, args: &mut ArgumentConsumer<'_>) -> Output {
        let mut batch = Batch::from(args.next_pos().ok_or("a text is missing")?);
        while let Some(text) = args.next_pos() {
            batch.push(text);
        }
        let key: Option<IdempotencyKey> = args.take_key("key").map(str::parse).transpose()?;
        let answer = self.cluster.send(&batch, key.as_ref(), waits(args)?);
        Ok(answer.map_or_else(refused, |_| String::new()))
    }

    fn fill(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<(), Box<dyn Error>> {
        let count: usize = args.next_pos().ok_or("how many?")?.parse()?;
        let bytes: usize = args.take_key("bytes").ok_or("how large?")?.parse()?;
        for _ in 0..count {
            self.cluster.append(&"x".repeat(bytes), Some("1".parse()?), None)?;
        }
        self.cluster.take_trace();
        Ok(())
    }

    fn add_rule(
        &mut self,
        action: &str,
        args: &mut ArgumentConsumer<'_>,
    ) -> Result<(), Box<dyn Error>> {
        let peer = name(args)?;
        let kind = args.next_pos().ok_or("which kind of frame?")?.to_owned();
        let (action, times) = match action {
            "delay" => (RuleAction::Delay(time(args)?), 1),
            other => {
                let times = args.next_pos().map_or(Ok(1), str::parse)?;
                (if other == "lose" { RuleAction::Drop } else { RuleAction::Duplicate }, times)
            }
        };
        self.cluster.add_rule(Rule { peer, kind, times, action });
        Ok(())
    }

    fn logs(&self) -> String {
        let mut out = String::new();
        let master = self.cluster.master().map(|node| ("master".to_owned(), node.log()));
        let secondaries =
            self.cluster.secondaries().map(|(name, node)| (name.to_string(), node.log()));
        for (name, log) in master.into_iter().chain(secondaries) {
            let (mut texts, mut from) = (Vec::new(), LogEnd::ZERO);
            while from < log.durable_end() {
                let records = log.read(from, log.durable_end(), usize::MAX).expect("readable");
                texts.extend(
                    records.iter().map(|record| record.text.chars().take(8).collect::<String>()),
                );
                from = LogEnd::new(texts.len() as u64);
            }
            let shown = if texts.len() > 12 {
                format!("{} messages", texts.len())
            } else {
                texts.join(" ")
            };
            writeln!(out, "{name} shows [{shown}]").expect("a string takes all");
        }
        out
    }

    fn health(&self) -> String {
        let mut out = String::new();
        if let Some(master) = self.cluster.master() {
            let health = master.health(self.cluster.instant());
            let (end, size) = (health.log_end, health.cluster_size);
            let waiting = health.waiting_senders;
            let mode = if health.read_only { " read-only" } else { "" };
            let ready = if health.is_ready() || health.read_only { "" } else { " not-ready" };
            writeln!(out, "master: end={end} cluster-size={size} waiting={waiting}{mode}{ready}")
                .expect("a string takes all");
            for row in health.secondaries {
                let (status, phase) = (row.status, row.phase);
                let known = |end: Option<u64>| end.map_or("?".to_owned(), |end| end.to_string());
                let (acked, lag) = (known(row.acked_end.map(LogEnd::get)), known(row.lag));
                writeln!(out, "  {}: {status:?} {phase:?} acked={acked} lag={lag}", row.name)
                    .expect("a string takes all");
            }
        }
        for row in self
            .cluster
            .master()
            .map(|node| node.health(self.cluster.instant()).refused)
            .unwrap_or_default()
        {
            let name = row.name.map_or("?".to_owned(), |name| name.to_string());
            let end = row.log_end.map_or("?".to_owned(), |end| end.to_string());
            writeln!(out, "  {name}: refused {} end={end}", row.code.as_str())
                .expect("a string takes all");
        }
        for (name, node) in self.cluster.secondaries() {
            let health = node.health(self.cluster.instant());
            let (phase, end, buffered) = (health.phase, health.log_end, health.buffered);
            writeln!(out, "{name}: {phase:?} end={end} buffered={buffered}")
                .expect("a string takes all");
        }
        out
    }
}

fn node_or_master(name: &NodeName) -> Option<&NodeName> {
    (name.as_str() != "master").then_some(name)
}

#[test]
fn every_transcript_happens_again_as_it_is_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut scripts: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 20, "the transcripts are there");
    for script in scripts {
        println!("{}", script.display());
        goldenscript::run(&mut World::new(), &script).unwrap();
    }
}
