//! `logcafe demo`: a server in a fresh folder, with services that log into it.

mod services;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::cli::demo::services::{Sample, SampleLabels};
use crate::cli::serve::{self, Signals};
use crate::cli::settings::Settings;
use crate::db::tokens::{self, Scope};
use crate::db::users::{self, Role};
use crate::db::{self, Db};
use crate::model::Timestamp;
use crate::server;

const USER: &str = "demo";
const HISTORY_SECS: i64 = 3600;
/// Seconds of history pushed at once: a few hundred lines, as a busy agent would.
const HISTORY_PUSH_SECS: usize = 60;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The data lies in a temporary folder that is removed at the end; Ctrl-C ends it.")]
pub(crate) struct Arguments {
    /// Address and port to listen on [default: 127.0.0.1:3100, or a free port where that is taken]
    #[arg(long, env = "LOGCAFE_LISTEN", value_name = "HOST:PORT")]
    listen: Option<String>,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("logcafe-demo-").tempdir().context("cannot make a folder")?;
    let listen = arguments.listen.unwrap_or_else(free_address);
    let settings = Settings { listen: Some(listen), data: Some(folder.path().to_owned()), ..Settings::default() };
    let own_logs = server::init_logs("warn,logcafe=info,tantivy=warn", server::Format::Text)?;
    let config = settings.into_config()?;
    serve::runtime()?.block_on(demo(config, own_logs))?;
    folder.close().context("cannot remove the demo's folder")
}

/// The usual port, so that documentation fits; any other where a server runs there already.
fn free_address() -> String {
    const USUAL: &str = "127.0.0.1:3100";
    match TcpListener::bind(USUAL) {
        Ok(_) => USUAL.to_owned(),
        Err(_) => "127.0.0.1:0".to_owned(),
    }
}

async fn demo(config: server::Config, own_logs: server::OwnLogs) -> anyhow::Result<()> {
    let signals = Signals::new()?;
    let data = config.data.clone();
    // accounts come before the server, so that it does not ask for a first one
    let Logins { password, push_token, read_token } =
        tokio::task::spawn_blocking(move || make_accounts(&data)).await.context("making accounts")??;
    let handle = server::start(config, Some(own_logs)).await?;
    let push_url = format!("http://{}/loki/api/v1/push", handle.address());
    let mut pusher = Pusher::new(push_url, push_token)?;
    pusher.push_history().await?;
    anstream::println!("logcafe demo is ready at {}", handle.base_url());
    anstream::println!("Sign in as {USER} with the password {password}");
    let (url, query) = (handle.base_url(), r#"{app="payments"} | json | duration_ms > 1000"#);
    anstream::println!("From a terminal: LOGCAFE_TOKEN={read_token} logcafe query --addr {url} '{query}'");
    tokio::select! {
        () = signals.any() => {}
        outcome = pusher.push_forever() => outcome?,
    }
    handle.stop().await
}

/// The ways into a demo.
struct Logins {
    /// Of the admin `USER`.
    password: String,
    push_token: String,
    read_token: String,
}

/// An admin, a token for the sample services, and one for the terminal.
fn make_accounts(data: &std::path::Path) -> Result<Logins, db::Error> {
    let db = Db::open(&server::db_path(data))?;
    let now = Timestamp::from(SystemTime::now());
    let words = ["amber", "basil", "cedar", "dune", "ember", "fjord", "grove", "hazel", "indigo", "juniper"];
    let mut dice = rand::rng();
    let mut word = || words[dice.random_range(0..words.len())];
    let password = format!("{}-{}-{}-{:04}", word(), word(), word(), rand::random_range(0..10_000));
    users::add(&db, USER, &password, Role::Admin, now)?;
    let push_token = tokens::create(&db, "sample services", Scope::Push, now)?.reveal().to_owned();
    let read_token = tokens::create(&db, "terminal", Scope::Read, now)?.reveal().to_owned();
    Ok(Logins { password, push_token, read_token })
}

/// Pushes what the services log, through the same door as every agent.
struct Pusher {
    http: reqwest::Client,
    url: String,
    token: String,
    dice: StdRng,
    /// The next second to be told of.
    next: i64,
}

impl Pusher {
    fn new(url: String, token: String) -> anyhow::Result<Pusher> {
        // an error means that a provider is installed already
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().context("cannot prepare requests")?;
        let next = this_second() - HISTORY_SECS;
        Ok(Pusher { http, url, token, dice: StdRng::seed_from_u64(rand::random()), next })
    }

    /// Everything up to now, a minute at a time.
    async fn push_history(&mut self) -> anyhow::Result<()> {
        while self.next < this_second() {
            let until = (self.next + HISTORY_PUSH_SECS as i64).min(this_second());
            self.push_until(until).await?;
        }
        Ok(())
    }

    /// Second by second, until it fails.
    async fn push_forever(&mut self) -> anyhow::Result<()> {
        let mut seconds = interval(Duration::from_secs(1));
        // after a laptop's sleep the gap is told of at once
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            seconds.tick().await;
            self.push_history().await?;
        }
    }

    async fn push_until(&mut self, until: i64) -> anyhow::Result<()> {
        let seconds = self.next..until;
        let samples: Vec<Sample> =
            seconds.flat_map(|second| services::second(Timestamp::from_secs(second), &mut self.dice)).collect();
        self.next = until;
        let request = self.http.post(&self.url).bearer_auth(&self.token).json(&body(&samples));
        let response = request.send().await.context("the demo's own server does not answer")?;
        let status = response.status();
        if !status.is_success() {
            bail!("the demo's own push was refused with {status}: {}", response.text().await?.trim());
        }
        Ok(())
    }
}

fn this_second() -> i64 {
    Timestamp::from(SystemTime::now()).nanos().div_euclid(1_000_000_000)
}

/// A push in Loki's JSON.
fn body(samples: &[Sample]) -> Value {
    let mut streams: BTreeMap<SampleLabels, Vec<Value>> = BTreeMap::new();
    for sample in samples {
        let value = json!([sample.timestamp.nanos().to_string(), sample.line]);
        streams.entry(sample.labels).or_default().push(value);
    }
    let streams = streams.into_iter().map(|(labels, values)| {
        let labels: serde_json::Map<String, Value> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({"stream": labels, "values": values})
    });
    json!({"streams": streams.collect::<Vec<Value>>()})
}
