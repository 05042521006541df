//! What Promtail knows and the agent does not: each by name, with what to do in its place.

/// Key, and why it is refused and what to do.
const KNOWN: [(&str, &str); 36] = [
    ("kafka", "the agent does not read from Kafka; let a consumer push to the server, or to loki_push_api here"),
    ("gelf", "the agent does not take GELF; let the sender write syslog or JSON over HTTP, and take that in"),
    ("gcplog", "the agent does not read from Google Cloud; let a forwarder push to loki_push_api here"),
    ("azure_event_hub", AZURE),
    ("azure_event_hubs", AZURE),
    ("cloudflare", "the agent does not pull from Cloudflare; let Logpush send to a forwarder that pushes"),
    ("heroku_drain", "the agent takes no Heroku drain; let the drain send syslog, and take it in with syslog"),
    ("windows_events", "the agent runs on Linux and macOS, where there are no Windows events"),
    ("entry_parser", "Promtail took it away too; write pipeline_stages with `- docker: {}` or `- cri: {}`"),
    (
        "kubernetes_sd_configs",
        "the agent does not ask Kubernetes; read the files of the pods on each node, with __path__: \
         /var/log/pods/*/*/*.log, the stage cri, and a regex over the label filename for namespace, pod and container",
    ),
    ("consul_sd_configs", DISCOVERY),
    ("consulagent_sd_configs", DISCOVERY),
    ("dns_sd_configs", DISCOVERY),
    ("http_sd_configs", DISCOVERY),
    ("ec2_sd_configs", DISCOVERY),
    ("gce_sd_configs", DISCOVERY),
    ("azure_sd_configs", DISCOVERY),
    ("openstack_sd_configs", DISCOVERY),
    ("digitalocean_sd_configs", DISCOVERY),
    ("marathon_sd_configs", DISCOVERY),
    ("nerve_sd_configs", DISCOVERY),
    ("serverset_sd_configs", DISCOVERY),
    ("triton_sd_configs", DISCOVERY),
    ("dockerswarm_sd_configs", "use docker_sd_configs on each machine of the swarm"),
    (
        "oauth2",
        "the agent asks no OAuth server for tokens; let a helper write the token to a file and name it under bearer_token_file",
    ),
    ("http_headers", "write the headers under `headers`"),
    ("proxy_connect_header", "the agent sends a proxy no headers of its own; put credentials into proxy_url"),
    ("http_tls_config", SERVER_TLS),
    ("grpc_tls_config", "the agent has no gRPC"),
    ("tls_cipher_suites", SERVER_TLS),
    ("tls_min_version", SERVER_TLS),
    ("proxy_protocol_enabled", "the agent's pages are not made for strangers; let a proxy speak HTTP to them"),
    ("geoip", "the agent has no map of addresses; keep the address as a field and look it up where it is needed"),
    ("runtime_config", "Promtail has no such key either; it is one of Loki's"),
    ("ingester", LOKI),
    ("schema_config", LOKI),
];

const AZURE: &str = "the agent does not read from Azure; let a forwarder push to loki_push_api here";
const DISCOVERY: &str = "the agent finds targets by static_configs, file_sd_configs and docker_sd_configs; let a script \
                         write what this one would find into a file that file_sd_configs names";
const SERVER_TLS: &str = "the agent's own pages are plain HTTP; let a proxy on this machine add TLS";
const LOKI: &str = "this is a key of Loki, not of Promtail; name the file of Promtail";

/// What to do in place of a key, or of a stage, that Promtail knows and the agent does not.
pub(crate) fn advice(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, advice)| *advice)
}

/// All of them, for the documentation to be held against.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}
