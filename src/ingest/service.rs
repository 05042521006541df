//! `service_name`: the one label every stream has, found as Loki finds it.

use crate::model::Labels;

/// The label that is added.
pub(crate) const SERVICE_NAME: &str = "service_name";

/// What a stream is called in which no other name is found.
const UNKNOWN: &str = "unknown_service";

/// Loki's default of `discover_service_name`, in its order.
pub(crate) const LABELS: [&str; 13] = [
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
];

/// `labels` with a `service_name`: the given one, else the value of the first of `sources` that is there.
pub(crate) fn with_service_name(labels: Labels, sources: &[impl AsRef<str>]) -> Labels {
    if labels.get(SERVICE_NAME).is_some() {
        return labels;
    }
    let name = sources.iter().find_map(|source| labels.get(source.as_ref())).unwrap_or(UNKNOWN).to_owned();
    let pairs = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Labels::from_pairs(pairs.chain([(SERVICE_NAME.to_owned(), name)]))
}

#[cfg(test)]
mod tests {
    use crate::ingest::service::{LABELS, with_service_name};
    use crate::model::Labels;

    fn check(labels: &[(&str, &str)], wanted: &str) {
        let labels: Labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(with_service_name(labels.clone(), &LABELS).get("service_name"), Some(wanted), "{labels}");
    }

    #[test]
    fn the_first_known_name_becomes_the_service() {
        check(&[("job", "j"), ("component", "c"), ("container", "k"), ("app", "a")], "a");
        check(&[("name", "n"), ("application", "ap")], "ap");
        check(&[("service_name", "given"), ("service", "s")], "given");
        check(&[("pod", "p")], "unknown_service");
        check(&[], "unknown_service");
    }
}
