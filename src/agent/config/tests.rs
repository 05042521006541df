//! The configuration as a whole: what is read, with which defaults, and what is refused at which line.

use crate::agent::Mode;
use crate::agent::config::scrape::{SyslogFormat, SyslogProtocol};
use crate::agent::config::server::{LogFormat, LogLevel};
use crate::agent::config::units::{ByteSize, Duration};
use crate::agent::config::{Config, Secrets, Variables};

fn parse(text: &str) -> Config {
    Config::parse("promtail.yaml", text, Variables::Keep).unwrap_or_else(|problem| panic!("{problem}"))
}

/// What stands behind the place, and the line of carets below the line.
#[track_caller]
fn check_refused(text: &str, place: &str, message: &str) {
    let problem = Config::parse("promtail.yaml", text, Variables::Keep).map(|_| ()).unwrap_err().to_string();
    assert!(problem.starts_with(&format!("promtail.yaml:{place}: ")), "{problem}");
    assert!(problem.contains(message), "{problem}");
    assert!(problem.lines().last().unwrap().contains('^'), "{problem}");
}

const WHOLE: &str = r#"
global:
  file_watch_config: {min_poll_frequency: 1s, max_poll_frequency: 5s}
server:
  http_listen_address: 127.0.0.1
  http_listen_port: 9080
  grpc_listen_port: 0
  log_level: warn
  log_format: json
  external_url: https://agent.example.com
positions:
  filename: /var/lib/promtail/positions.yaml
  sync_period: 1m30s
clients:
- url: http://user:pass@loki:3100/loki/api/v1/push
  tenant_id: 42
  batchwait: 500ms
  batchsize: 102400
  external_labels: {host: web-1, dc: 7}
  headers: {X-One: two}
  backoff_config: {min_period: 100ms, max_period: 10s, max_retries: 20}
  timeout: 30s
  tls_config: {ca_file: /etc/ca.pem, insecure_skip_verify: true}
- url: https://logs.example.com/loki/api/v1/push
  basic_auth:
    username: ann
    password_file: /etc/pass
limits_config: {readline_rate_enabled: true, readline_rate: 50, max_line_size: 256KB, max_line_size_truncate: yes}
target_config: {sync_period: 5s}
scrape_configs:
- job_name: files
  pipeline_stages:
  - docker: {}
  - regex: {expression: '^(?P<level>\w+)'}
  - labels:
      level:
  encoding: utf-16le
  static_configs:
  - targets: [localhost]
    labels:
      job: files
      empty:
      __path__: /var/log/*.log
  file_sd_configs:
  - files: [/etc/targets/*.yml]
  relabel_configs:
  - source_labels: [job]
    target_label: app
- job_name: packed
  decompression: {enabled: true, initial_delay: 10s, format: gz}
  static_configs: [{labels: {__path__: /var/log/*.gz}}]
- job_name: containers
  docker_sd_configs:
  - host: unix:///var/run/docker.sock
    filters: [{name: label, values: [logs=1]}]
- job_name: journal
  journal: {max_age: 12h, json: true, matches: _SYSTEMD_UNIT=ssh.service, labels: {job: journal}}
- job_name: syslog
  syslog: {listen_address: "0.0.0.0:1514", listen_protocol: udp, syslog_format: rfc3164}
- job_name: push
  loki_push_api: {server: {http_listen_port: 3500}, use_incoming_timestamp: true}
"#;

#[test]
fn a_whole_configuration_is_read() {
    let config = parse(WHOLE);
    assert_eq!(config.global.file_watch_config.max_poll_frequency, Duration::from_secs(5));
    assert_eq!((config.server.http_listen_port, config.server.log_level), (9080, LogLevel::Warn));
    assert_eq!(config.server.log_format, LogFormat::Json);
    assert_eq!(config.positions.sync_period, Duration::from_secs(90));
    let [one, two] = &config.clients[..] else { panic!("two clients") };
    assert_eq!(one.url.as_ref().unwrap().url().username(), "user");
    assert_eq!(one.url.as_ref().unwrap().shown(), "http://loki:3100/loki/api/v1/push");
    assert_eq!((one.tenant_id.as_str(), one.batchsize), ("42", ByteSize(102_400)));
    assert_eq!(one.external_labels.get("dc"), Some("7"));
    assert_eq!((one.batchwait, one.timeout), (Duration::from_millis(500), Duration::from_secs(30)));
    assert_eq!(two.basic_auth.as_ref().unwrap().username, "ann");
    assert_eq!(config.limits_config.max_line_size, ByteSize(256 << 10));
    let [files, packed, containers, journal, syslog, push] = &config.scrape_configs[..] else { panic!("six jobs") };
    assert_eq!(files.static_configs[0].labels.get("__path__"), Some("/var/log/*.log"));
    assert_eq!(files.file_sd_configs[0].refresh_interval, Duration::from_secs(300));
    assert_eq!(packed.decompression.as_ref().unwrap().format, crate::agent::files::archive::Format::Gzip);
    assert_eq!(containers.docker_sd_configs[0].filters[0].values, ["logs=1"]);
    assert_eq!(journal.journal.as_ref().unwrap().max_age, Duration::from_secs(12 * 3600));
    let syslog = syslog.syslog.as_ref().unwrap();
    assert_eq!((syslog.listen_protocol, syslog.syslog_format), (SyslogProtocol::Udp, SyslogFormat::Rfc3164));
    assert_eq!(push.loki_push_api.as_ref().unwrap().server.http_listen_port, 3500);
    assert_eq!(config.remarks().len(), 1, "{:?}", config.remarks());
    assert!(!format!("{config:?}").contains("pass@"));
    config.check(Mode::Run).unwrap();
}

#[test]
fn what_is_left_out_is_as_in_promtail() {
    let config = parse("clients: [{url: http://loki/loki/api/v1/push}]\nserver:\npositions: {}\n");
    let client = &config.clients[0];
    assert_eq!((client.batchwait, client.batchsize), (Duration::from_secs(1), ByteSize(1_048_576)));
    assert_eq!((client.timeout, client.follow_redirects), (Duration::from_secs(10), true));
    let backoff = client.backoff_config;
    assert_eq!((backoff.min_period, backoff.max_period), (Duration::from_millis(500), Duration::from_secs(300)));
    assert_eq!((config.server.http_listen_port, config.server.health_check_target), (80, true));
    assert_eq!(config.positions.filename.to_str(), Some("/var/log/positions.yaml"));
    assert!(config.limits_config.readline_rate_drop && !config.limits_config.readline_rate_enabled);
    assert!(config.check(Mode::Run).unwrap_err().contains("nothing to read"));
}

#[test]
fn the_old_client_is_one_of_the_clients() {
    let config = parse("client: {url: http://one/push}\nclients: [{url: http://two/push}]\n");
    let hosts: Vec<_> = config.clients.iter().map(|client| client.url.as_ref().unwrap().url().host_str()).collect();
    assert_eq!(hosts, [Some("one"), Some("two")]);
    assert!(parse("scrape_configs:\n").check(Mode::Run).unwrap_err().contains("no server"));
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let config = parse(
        "clients:\n- &one\n  url: http://one/push\n  batchwait: 5s\n- <<: *one\n  url: http://two/push\n\
         scrape_configs:\n- job_name: a\n  static_configs: &paths\n  - labels: {__path__: /a}\n\
         - job_name: b\n  static_configs: *paths\n",
    );
    assert_eq!(config.clients[1].batchwait, Duration::from_secs(5));
    assert_eq!(config.clients[1].url.as_ref().unwrap().url().host_str(), Some("two"));
    assert_eq!(config.scrape_configs[1].static_configs, config.scrape_configs[0].static_configs);
}

#[test]
fn unknown_keys_are_refused_where_they_stand() {
    check_refused("clients:\n- url: http://a/push\n  batchwiat: 5s\n", "3:3", "did you mean `batchwait`?");
    check_refused("sever: {}\n", "1:1", "did you mean `server`?");
    check_refused("positions: {fileName: x}\n", "1:13", "did you mean `filename`?");
    check_refused("scrape_configs:\n- static_configs:\n  - __path__: /a\n", "3:5", "it belongs below `labels:`");
    check_refused("target_config: {colour: 1}\n", "1:17", "known are sync_period, stdin");
    check_refused("server: {log_level: loud}\n", "1:21", "known are debug, info, warn, error");
}

#[test]
fn what_promtail_knows_and_the_agent_does_not_is_refused_by_name() {
    for key in crate::agent::config::unsupported::names().filter(|key| key.ends_with("_configs") || *key == "kafka") {
        let text = format!("scrape_configs:\n- job_name: x\n  {key}:\n    a: b\n");
        check_refused(&text, "3:3", &format!("`{key}` is not supported: "));
    }
    check_refused("clients:\n- url: http://a/push\n  oauth2: {client_id: x}\n", "3:3", "bearer_token_file");
    check_refused("server: {http_tls_config: {}}\n", "1:10", "let a proxy");
}

#[test]
fn values_that_cannot_be_are_refused_where_they_stand() {
    check_refused("positions: {sync_period: 10}\n", "1:26", "write 10s");
    check_refused("positions:\n  sync_period: soon\n", "2:16", "not a length of time");
    check_refused("positions:\n  sync_period: -1s\n", "2:16", "negative");
    check_refused("limits_config:\n  max_line_size: big\n", "2:18", "not an amount of bytes");
    check_refused("server:\n  http_listen_port: 90800\n", "2:21", "from 0 to 65535");
    check_refused("server:\n  http_listen_port:\n", "2:19", "a value is missing here");
    check_refused("server:\n  disable: maybe\n", "2:12", "true or false");
    check_refused("clients:\n  url: http://a/push\n", "2:3", "begin each entry with `- `");
    check_refused("clients:\n- url: loki:3100\n", "2:8", "no address of a server");
    check_refused("clients:\n- batchwait: 1s\n", "2:3", "this client has no url");
    check_refused("clients:\n- url: http://a/p\n  bearer_token: x\n  basic_auth: {}\n", "2:3", "given together");
    check_refused("scrape_configs:\n- job_name: x\n", "2:3", "reads nothing");
    check_refused("scrape_configs:\n- journal: {}\n  syslog: {listen_address: ':1'}\n", "2:3", "a job of its own");
    check_refused("scrape_configs:\n- static_configs:\n  - labels: {a-b: c}\n", "3:14", "name of a label");
    check_refused("scrape_configs:\n- encoding: latin-9x\n", "2:13", "no encoding");
    check_refused("scrape_configs:\n- relabel_configs:\n  - regex: '(a'\n", "3:12", "missing closing )");
    let job = |key: &str| format!("scrape_configs:\n- {key}\n");
    check_refused(&job("syslog: {listen_protocol: tcp}"), "2:11", "no listen_address");
    check_refused(&job("syslog: {listen_address: here}"), "2:11", "give host and port");
    check_refused(&job("docker_sd_configs: [{}]"), "2:23", "unix:///var/run/docker.sock");
    check_refused(&job("file_sd_configs: [{files: [a.txt]}]"), "2:21", "does not end with");
    check_refused(&job("decompression: {enabled: true}"), "2:18", "no format");
    check_refused(&job("journal: {matches: ssh}"), "2:12", "no FIELD=value");
    check_refused(&job("loki_push_api: {server: {http_path_prefix: x}}"), "2:27", "does not begin with /");
    check_refused("server: {}\nserver: {}\n", "2:1", "a second time");
    check_refused("server:\n\thttp_listen_port: 1\n", "2:2", "write spaces");
    check_refused("server: {}\n---\nserver: {}\n", "3:1", "second document");
    check_refused("server: *nope\n", "1:9", "no anchor");
}

#[test]
fn stages_are_refused_where_they_stand() {
    let check = |stage: &str, place: &str, message: &str| {
        let text = format!("scrape_configs:\n- static_configs: [labels: {{}}]\n  pipeline_stages:\n  - {stage}\n");
        check_refused(&text, place, message);
    };
    check("dokcer: {}", "4:5", "did you mean `docker`?");
    check("regex: {expression: '('}", "4:25", "missing closing )");
    check("regex: {expresion: x}", "4:13", "did you mean `expression`?");
    check("geoip: {db: x}", "4:12", "not supported");
    check("match: {selector: '{a=', stages: []}", "4:23", "");
}

#[test]
fn a_line_with_a_secret_is_shown_without_it() {
    let text = "clients:\n- url: http://a/push\n  bearer_token: [hunter2]\n";
    let problem = Config::parse("x", text, Variables::Keep).map(|_| ()).unwrap_err().to_string();
    assert!(!problem.contains("hunter2") && problem.contains("bearer_token: …"), "{problem}");
    let text = "clients:\n- url: https://ann:hunter2@[a/push\n";
    let problem = Config::parse("x", text, Variables::Keep).map(|_| ()).unwrap_err().to_string();
    assert!(!problem.contains("hunter2"), "{problem}");
}

#[test]
fn what_is_printed_reads_back_to_the_same() {
    let config = parse(WHOLE);
    let printed = config.to_yaml(Secrets::Show);
    let again = parse(&printed);
    assert_eq!(again.to_yaml(Secrets::Show), printed);
    assert_eq!(again.clients[0].url, config.clients[0].url);
    assert!(printed.contains("encoding: utf-16le"), "{printed}");
    assert_eq!(format!("{:?}", again.scrape_configs), format!("{:?}", config.scrape_configs));
    let hidden = config.to_yaml(Secrets::Hide);
    assert!(!hidden.contains("user:pass@"), "{hidden}");
}
