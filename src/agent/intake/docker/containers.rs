//! What an engine says of its containers, and the labels that it makes for rules: those of Prometheus' Docker discovery.
//!
//! Promises: each container has at least one set of labels, also one that Prometheus finds no address of.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use crate::agent::config::scrape::DockerDiscovery;
use crate::agent::discovery::sanitized;
use crate::agent::intake::docker::frames::Stream;
use crate::agent::intake::labelling::{Facts, Labelling};
use crate::model::Labels;

/// An entry of `/containers/json`, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Container {
    pub(crate) id: String,
    names: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    pub(crate) state: String,
    /// Unix time.
    pub(crate) created: Created,
    ports: Option<Vec<Port>>,
    host_config: HostConfig,
    network_settings: Option<NetworkSettings>,
}

/// Docker says it as a number, Podman before 5 as text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Created {
    Secs(i64),
    Other(serde::de::IgnoredAny),
}

impl Default for Created {
    fn default() -> Created {
        Created::Secs(0)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    network_mode: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    networks: Option<BTreeMap<String, Option<Endpoint>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "NetworkID")]
    id: String,
    #[serde(rename = "IPAddress")]
    address: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Port {
    #[serde(rename = "PrivatePort")]
    private: u16,
    #[serde(rename = "PublicPort")]
    public: u16,
    #[serde(rename = "IP")]
    address: String,
    #[serde(rename = "Type")]
    kind: String,
}

/// An entry of `/networks`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Network {
    id: String,
    name: String,
    scope: String,
    internal: bool,
    ingress: bool,
    labels: Option<BTreeMap<String, String>>,
}

/// The labels of a container's lines; `None` where rules drop them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamLabels {
    stdout: Option<Labels>,
    stderr: Option<Labels>,
}

impl StreamLabels {
    pub(crate) fn of(&self, stream: Stream) -> Option<&Labels> {
        match stream {
            Stream::Stdout => self.stdout.as_ref(),
            Stream::Stderr => self.stderr.as_ref(),
        }
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }
}

impl Container {
    /// As people call it, without the slash that the engine puts before it.
    pub(crate) fn name(&self) -> &str {
        let name = self.names.as_ref().and_then(|names| names.first());
        name.map_or(self.id.as_str(), |name| name.trim_start_matches('/'))
    }

    /// Whether it may write lines now.
    pub(crate) fn is_alive(&self) -> bool {
        ["running", "paused", "restarting", "stopping", "removing"].contains(&self.state.as_str())
    }

    pub(crate) fn was_created_since(&self, secs: i64) -> bool {
        matches!(self.created, Created::Secs(created) if created >= secs)
    }

    fn networks(&self) -> impl Iterator<Item = (&String, &Endpoint)> {
        let networks = self.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
        networks.into_iter().flatten().filter_map(|(name, endpoint)| Some((name, endpoint.as_ref()?)))
    }
}

/// All containers of an engine, and its networks.
pub(crate) struct Known<'a> {
    by_id: HashMap<&'a str, &'a Container>,
    networks: HashMap<&'a str, &'a Network>,
}

impl<'a> Known<'a> {
    pub(crate) fn new(containers: &'a [Container], networks: &'a [Network]) -> Known<'a> {
        Known {
            by_id: containers.iter().map(|container| (container.id.as_str(), container)).collect(),
            networks: networks.iter().map(|network| (network.id.as_str(), network)).collect(),
        }
    }

    /// What the lines of a container are labelled with: by its first address that rules do not drop.
    pub(crate) fn labels(&self, container: &Container, config: &DockerDiscovery, rules: &Labelling) -> StreamLabels {
        let all = self.facts(container, config);
        let label = |stream: &str| {
            all.iter().find_map(|facts| {
                let stream = [("__meta_docker_container_log_stream".to_owned(), stream.to_owned())];
                let read = facts.iter().cloned().chain(stream).filter(|(name, _)| rules.reads(name));
                rules.label(read.collect())
            })
        };
        StreamLabels { stdout: label("stdout"), stderr: label("stderr") }
    }

    /// Labels for rules: a set for each address.
    fn facts(&self, container: &Container, config: &DockerDiscovery) -> Vec<Facts> {
        let mode = container.host_config.network_mode.as_str();
        let mut common = vec![
            fact("container_id", &container.id),
            fact("container_name", container.names.as_ref().and_then(|names| names.first()).unwrap_or(&container.id)),
            fact("container_network_mode", mode),
        ];
        let labels = container.labels.iter().flatten();
        common.extend(labels.map(|(name, value)| fact(&format!("container_label_{}", sanitized(name)), value)));
        let mut all = Vec::new();
        let count = if config.match_first_network { 1 } else { usize::MAX };
        for (_, endpoint) in self.shared(container).networks().take(count) {
            let mut on_network = common.clone();
            on_network.push(fact("network_ip", &endpoint.address));
            on_network.extend(self.networks.get(endpoint.id.as_str()).into_iter().flat_map(|network| network.facts()));
            let tcp = container.ports.iter().flatten().filter(|port| port.kind == "tcp");
            let ports: Vec<Facts> = tcp.map(|port| port.facts(&endpoint.address)).collect();
            if ports.is_empty() {
                let address = match mode {
                    "host" => config.host_networking_host.clone(),
                    _ => join(&endpoint.address, config.port),
                };
                on_network.push(("__address__".to_owned(), address));
                all.push(on_network);
            } else {
                all.extend(ports.into_iter().map(|port| on_network.iter().cloned().chain(port).collect()));
            }
        }
        if all.is_empty() {
            all.push(common);
        }
        all
    }

    /// The container that has the network which this one uses.
    fn shared<'b>(&'b self, container: &'b Container) -> &'b Container {
        let mut current = container;
        // each step leads to another one, unless they lead round in a circle
        for _ in 0..self.by_id.len() {
            let other = current.host_config.network_mode.strip_prefix("container:");
            match other.and_then(|id| self.by_id.get(id)) {
                Some(other) if current.networks().next().is_none() => current = other,
                Some(_) | None => break,
            }
        }
        current
    }
}

fn fact(name: &str, value: &str) -> (String, String) {
    (format!("__meta_docker_{name}"), value.to_owned())
}

fn join(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

impl Network {
    fn facts(&self) -> Facts {
        let mut facts = vec![
            fact("network_id", &self.id),
            fact("network_name", &self.name),
            fact("network_scope", &self.scope),
            fact("network_internal", &self.internal.to_string()),
            fact("network_ingress", &self.ingress.to_string()),
        ];
        let labels = self.labels.iter().flatten();
        facts.extend(labels.map(|(name, value)| fact(&format!("network_label_{}", sanitized(name)), value)));
        facts
    }
}

impl Port {
    fn facts(&self, address: &str) -> Facts {
        let mut facts = vec![fact("port_private", &self.private.to_string())];
        if self.public > 0 {
            facts.push(fact("port_public", &self.public.to_string()));
            facts.push(fact("port_public_ip", &self.address));
        }
        facts.push(("__address__".to_owned(), join(address, self.private)));
        facts
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::docker::containers::*;

    const CONTAINERS: &str = r#"[
      {"Id": "aa", "Names": ["/web", "/alias"], "State": "running", "Created": 17, "Labels": {"com.docker/service": "shop"},
       "HostConfig": {"NetworkMode": "front"}, "Ports": [{"PrivatePort": 80, "PublicPort": 8080, "IP": "0.0.0.0", "Type": "tcp"},
       {"PrivatePort": 53, "Type": "udp"}, {"PrivatePort": 443, "Type": "tcp"}], "NetworkSettings": {"Networks":
       {"z": {"NetworkID": "n2", "IPAddress": "10.1.0.2"}, "front": {"NetworkID": "n1", "IPAddress": "10.0.0.2"}, "a": null}}},
      {"Id": "bb", "Names": ["/side"], "HostConfig": {"NetworkMode": "container:aa"}, "NetworkSettings": {"Networks": {}}},
      {"Id": "cc", "Names": ["/net"], "HostConfig": {"NetworkMode": "host"}, "NetworkSettings": {"Networks": {"host": {}}}},
      {"Id": "dd", "Names": null, "Labels": null, "Ports": null, "NetworkSettings": null, "Created": "2026-01-01"}]"#;
    const NETWORKS: &str =
        r#"[{"Id": "n1", "Name": "front", "Scope": "local", "Internal": false, "Labels": {"a-b": "c"}}]"#;

    #[track_caller]
    fn check(config: &DockerDiscovery, index: usize, rules: &str, expected: Option<&[(&str, &str)]>) {
        let containers: Vec<Container> = serde_json::from_str(CONTAINERS).unwrap();
        let networks: Vec<Network> = serde_json::from_str(NETWORKS).unwrap();
        let rules: Vec<crate::agent::relabel::Rule> = serde_saphyr::from_str(rules).unwrap();
        let labelling = Labelling::new(&rules, &Labels::default(), "job", "docker");
        let labels = Known::new(&containers, &networks).labels(&containers[index], config, &labelling);
        let own = |pairs: &[(&str, &str)]| {
            Labels::from_pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        };
        assert_eq!(labels.of(Stream::Stderr).cloned(), expected.map(own));
    }

    #[test]
    fn labels_are_those_of_prometheus() {
        let all =
            "[{action: labelmap, regex: '__meta_docker_(.+)'}, {source_labels: [__address__], target_label: address}]";
        let config = DockerDiscovery::default();
        let web = [
            ("address", "10.0.0.2:80"),
            ("container_id", "aa"),
            ("container_label_com_docker_service", "shop"),
            ("container_log_stream", "stderr"),
            ("container_name", "/web"),
            ("container_network_mode", "front"),
            ("network_id", "n1"),
            ("network_ingress", "false"),
            ("network_internal", "false"),
            ("network_ip", "10.0.0.2"),
            ("network_label_a_b", "c"),
            ("network_name", "front"),
            ("network_scope", "local"),
            ("port_private", "80"),
            ("port_public", "8080"),
            ("port_public_ip", "0.0.0.0"),
        ];
        check(&config, 0, all, Some(&web));
        let address = "[{source_labels: [__address__], target_label: a}]";
        check(&config, 1, address, Some(&[("a", "10.0.0.2:80")]));
        check(&config, 2, address, Some(&[("a", "localhost")]));
        check(&config, 3, "[{source_labels: [__meta_docker_container_name], target_label: a}]", Some(&[("a", "dd")]));
    }

    #[test]
    fn rules_choose_among_addresses_and_streams() {
        let config = DockerDiscovery { match_first_network: false, ..DockerDiscovery::default() };
        let port = "[{source_labels: [__address__], regex: '.*:443', action: keep}, {source_labels: [__address__], target_label: a}]";
        check(&config, 0, port, Some(&[("a", "10.0.0.2:443")]));
        let network = "[{source_labels: [__meta_docker_network_ip], regex: '10.1.*', action: keep}, {source_labels: [__address__], target_label: a}]";
        check(&config, 0, network, Some(&[("a", "10.1.0.2:80")]));
        check(&DockerDiscovery::default(), 0, network, None);
        check(&config, 0, "[{source_labels: [__meta_docker_container_log_stream], regex: stderr, action: drop}]", None);
        check(&config, 0, "[]", Some(&[("job", "job")]));
    }
}
