//! Tests of listeners over loopback.

use std::net::SocketAddr;
use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use crate::agent::intake::rig::{Rig, scrape};
use crate::agent::intake::syslog::{Listener, spool_name};
use crate::agent::spool::Received;
use crate::model::{Labels, Timestamp};

const RULES: &str = "relabel_configs:
- {source_labels: [__syslog_message_hostname], target_label: host}
- {source_labels: [__syslog_message_severity], target_label: level}
- {source_labels: [__syslog_message_app_name], target_label: app}
- {source_labels: [__syslog_message_app_name], regex: noisy, action: drop}
- {source_labels: [__syslog_message_sd_ex_32473_a_b], target_label: sd}
- {source_labels: [__syslog_connection_ip_address], target_label: ip}";

/// Starts the listener of a job whose `syslog` has these keys.
fn start(rig: &Rig, keys: &str) -> (SocketAddr, JoinHandle<()>) {
    let scrape = scrape(&format!("job_name: net\nsyslog: {{listen_address: '127.0.0.1:0', {keys}}}\n{RULES}"));
    let settings = scrape.syslog.clone().unwrap();
    let listener = Listener::bind(&scrape, &settings, rig.spool(), &rig.metrics).unwrap();
    let address = listener.address();
    (address, tokio::spawn(listener.run(rig.stop_token())))
}

fn rig() -> Rig {
    Rig::new(1 << 30)
}

#[tokio::test]
async fn messages_come_over_tcp_with_their_labels() {
    let rig = rig();
    let (address, running) = start(&rig, "labels: {job: syslog}, label_structured_data: true");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let counted = "<165>1 2003-10-11T22:14:15.003Z h1 app1 1 ID [ex@32473 a-b=\"v\"] \u{feff}two\nlines";
    stream.write_all(format!("{} {counted}", counted.len()).as_bytes()).await.unwrap();
    stream.write_all(b"<34>Oct 11 22:14:15 h2 su[7]: failed\n<34>1 - h3 noisy - - - no\nnonsense\n").await.unwrap();
    stream.write_all(b"<34>1 - h3 app3 - - -\n<13>1 - h4 - - - - without end").await.unwrap();
    drop(stream);
    let lines = rig.wait(3).await;
    let label = |pairs: &[(&str, &str)]| {
        let fixed = [("job", "syslog"), ("ip", "127.0.0.1")];
        Labels::from_pairs(fixed.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    };
    assert_eq!(lines[0].line, "two\nlines");
    assert_eq!(lines[0].labels, label(&[("host", "h1"), ("level", "notice"), ("app", "app1"), ("sd", "v")]));
    assert_eq!(lines[1].line, "failed");
    assert_eq!(lines[1].labels, label(&[("host", "h2"), ("level", "critical"), ("app", "su")]));
    assert_eq!(lines[2].line, "without end");
    assert_eq!(lines[2].labels, label(&[("host", "h4"), ("level", "notice")]));
    // the times of messages are not asked for, so it is now
    assert!(lines[0].timestamp.unwrap() > Timestamp::from_secs(1_700_000_000));
    for metric in [
        "promtail_syslog_target_entries_total 3",
        "promtail_syslog_target_parsing_errors_total 1",
        "promtail_syslog_empty_messages_total 1",
    ] {
        assert!(rig.has_metric(metric), "{metric}: {}", rig.metrics.render());
    }
    rig.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn times_of_messages_are_taken_and_equal_ones_kept_apart() {
    let rig = rig();
    let (address, running) = start(&rig, "use_incoming_timestamp: true, use_rfc5424_message: true");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = "<34>1 2023-11-14T22:13:20Z h a - - - x";
    stream
        .write_all(format!("{text}\n{text}\n<34>1 - h a - - - x\n<34>Nov 14 2023 22:13:20 h a: y\n").as_bytes())
        .await
        .unwrap();
    let lines = rig.wait(4).await;
    let at = Timestamp::from_secs(1_700_000_000);
    assert_eq!(lines[0].timestamp, Some(at));
    assert_eq!(lines[1].timestamp, Some(at.plus_nanos(1)));
    assert!(lines[2].timestamp.unwrap() > at.plus_nanos(1_000_000_000));
    assert_eq!(lines[3].timestamp, Some(at.plus_nanos(2)));
    let texts: Vec<&str> = lines.iter().map(|line| line.line.as_str()).collect();
    assert_eq!(texts, [text, text, "<34>1 - h a - - - x", "y"]);
    rig.stop();
    // the connection is open still
    running.await.unwrap();
}

#[tokio::test]
async fn datagrams_are_messages_of_ipv4_and_ipv6() {
    let rig = rig();
    let scrape =
        scrape(&format!("syslog: {{listen_address: ':0', listen_protocol: udp, max_message_length: 20}}\n{RULES}"));
    let settings = scrape.syslog.clone().unwrap();
    let listener = Listener::bind(&scrape, &settings, rig.spool(), &rig.metrics).unwrap();
    let port = listener.address().port();
    let is_ipv6 = listener.address().is_ipv6();
    let running = tokio::spawn(listener.run(rig.stop_token()));
    let v4 = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    v4.send_to(b"<13>one\n", ("127.0.0.1", port)).await.unwrap();
    let lines = rig.wait(1).await;
    assert_eq!(lines[0].labels, Labels::from([("ip", "127.0.0.1"), ("level", "notice")]));
    assert_eq!(lines[0].line, "one");
    v4.send_to(b"<13>four and a few letters more", ("127.0.0.1", port)).await.unwrap();
    assert_eq!(rig.wait(2).await[1].line, "four and a few l");
    if is_ipv6 && let Ok(v6) = UdpSocket::bind("[::1]:0").await {
        v6.send_to(b"<13>six", ("::1", port)).await.unwrap();
        assert_eq!(rig.wait(3).await[2].labels.get("ip"), Some("::1"));
    }
    rig.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_what_came_is_taken() {
    let rig = rig();
    let (address, running) = start(&rig, "idle_timeout: 50ms");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"<13>half a line").await.unwrap();
    let mut end = Vec::new();
    // it ends because the other side closed it
    stream.read_to_end(&mut end).await.unwrap();
    assert_eq!(rig.wait(1).await[0].line, "half a line");
    rig.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn a_full_spool_makes_tcp_wait_and_drops_datagrams() {
    let rig = Rig::new(64 << 10);
    let (tcp, running_tcp) = start(&rig, "listen_protocol: tcp");
    let (udp, running_udp) = start(&rig, "listen_protocol: udp");
    let spool = rig.spool();
    let labels = Labels::default();
    let long = "x".repeat(1000);
    let filler = Received { timestamp: None, labels: &labels, line: &long, structured: &[] };
    let mut fillers = 0;
    while spool.append(&[filler]).is_ok() {
        fillers += 1;
    }
    let datagram = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    datagram.send_to(b"<13>lost lost lost lost lost", udp).await.unwrap();
    let is_dropped = || rig.has_metric("promtail_syslog_target_dropped_total 1");
    rig.wait_until("a dropped datagram", is_dropped).await;
    let mut stream = TcpStream::connect(tcp).await.unwrap();
    let message = format!("<13>{}\n", "y".repeat(4000));
    stream.write_all(message.as_bytes()).await.unwrap();
    stream.write_all(message.as_bytes()).await.unwrap();
    // all is read and answered for, so there is room again
    assert_eq!(rig.wait(fillers).await.len(), fillers);
    let source = spool.source();
    let end = rig.place();
    crate::agent::outlet::Ledger::answered(rig.positions.as_ref(), source, end);
    let lines = rig.wait(fillers + 2).await;
    assert!(lines[fillers..].iter().all(|line| line.line.len() == 4000));
    rig.stop();
    running_tcp.await.unwrap();
    running_udp.await.unwrap();
}

#[tokio::test]
async fn a_stop_takes_what_was_sent() {
    let rig = rig();
    let (address, running) = start(&rig, "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"<13>first\n").await.unwrap();
    rig.wait(1).await;
    stream.write_all(b"<13>second\n<13>third").await.unwrap();
    rig.stop();
    running.await.unwrap();
    let texts: Vec<String> = rig.lines().into_iter().map(|line| line.line).collect();
    assert_eq!(texts, ["first", "second", "third"]);
}

#[tokio::test]
async fn tls_asks_for_certificates_where_an_authority_is_named() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls");
    let at = |name: &str| folder.join(name).display().to_string();
    let (cert, key, ca) = (at("server.pem"), at("server.key"), at("ca.pem"));
    let rig = rig();
    let keys = format!("tls_config: {{cert_file: {cert}, key_file: {key}, ca_file: {ca}}}");
    let (address, running) = start(&rig, &keys);
    let client = Some(("client.pem", "client.key"));
    let mut stream = tls(&folder, address, client).await.unwrap();
    stream.write_all(b"<13>secret\n").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rig.wait(1).await[0].line, "secret");
    // of TLS 1.3 the client hears of the refusal when it reads
    let refused = async {
        let mut stream = tls(&folder, address, None).await?;
        stream.write_all(b"<13>stranger\n").await?;
        stream.read_u8().await
    };
    assert!(refused.await.is_err());
    assert_eq!(rig.lines().len(), 1);
    rig.stop();
    running.await.unwrap();
}

async fn tls(
    folder: &Path,
    address: SocketAddr,
    client: Option<(&str, &str)>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let cert = CertificateDer::from_pem_file(folder.join(cert)).unwrap();
            let key = PrivateKeyDer::from_pem_file(folder.join(key)).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    };
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = TcpStream::connect(address).await?;
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_says_so() {
    let rig = rig();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let scrape = scrape(&format!("job_name: net\nsyslog: {{listen_address: '{address}'}}"));
    let settings = scrape.syslog.clone().unwrap();
    let error = Listener::bind(&scrape, &settings, rig.spool(), &rig.metrics).err().unwrap().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("another program listens there"), "{error}");
    assert_eq!(spool_name(&scrape, &settings), format!("syslog net tcp {address}"));
}
