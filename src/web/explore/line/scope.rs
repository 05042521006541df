//! Whose lines count as the neighbours of a line: its file's, its container's, its host's … Pure.

use crate::logql::ast::LogExpr;
use crate::model::{Labels, Matcher};
use crate::web::explore::line::{alike, locate};

/// Labels that name the machine. Files, containers and units of one name are on many.
const HOSTS: [&str; 8] = ["host", "hostname", "host_name", "node", "node_name", "nodename", "instance", "agent"];
const FILES: [&str; 5] = ["filename", "file", "file_path", "log_file", "log_file_path"];
const CONTAINERS: [&str; 5] = ["container", "container_name", "container_id", "compose_service", "docker_container"];
const UNITS: [&str; 4] = ["unit", "systemd_unit", "syslog_identifier", "service_unit"];
/// With the container, what tells pods of one name apart.
const PODS: [&str; 4] = ["namespace", "pod", "pod_name", "compose_project"];

/// Whose lines are shown around a line. The nearest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    File,
    Container,
    Unit,
    Stream,
    Service,
    Host,
    All,
}

impl Scope {
    const ALL: [Scope; 7] =
        [Scope::File, Scope::Container, Scope::Unit, Scope::Stream, Scope::Service, Scope::Host, Scope::All];

    /// As the address has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scope::File => "file",
            Scope::Container => "container",
            Scope::Unit => "unit",
            Scope::Stream => "stream",
            Scope::Service => "service",
            Scope::Host => "host",
            Scope::All => "all",
        }
    }

    /// The scopes that a line of this stream has. The first is where it was written: its file, else its container or
    /// unit, else its stream.
    pub(crate) fn of(stream: &Labels) -> Vec<Scope> {
        let mut places: Vec<Scope> = Vec::new();
        for scope in Scope::ALL {
            let is_place = matches!(scope, Scope::File | Scope::Container | Scope::Unit | Scope::Stream);
            // the stream is a part of a file or unit, and no more to the reader
            let is_known = is_place && !places.is_empty() && scope == Scope::Stream;
            if !is_known && scope.lines(stream).is_some() {
                places.push(scope);
            }
        }
        places
    }

    /// The scope that an address names, where a line of this stream has it; else the nearest.
    pub(crate) fn pick(name: Option<&str>, stream: &Labels) -> Scope {
        let scopes = Scope::of(stream);
        let named = name.and_then(|name| scopes.iter().find(|scope| scope.name() == name));
        named.or(scopes.first()).copied().unwrap_or(Scope::All)
    }

    /// What it is called on the machine: the path of the file, the name of the host.
    pub(crate) fn value(self, stream: &Labels) -> Option<&str> {
        let first = |names: &[&str]| names.iter().find_map(|name| stream.get(name));
        match self {
            Scope::File => first(&FILES),
            Scope::Container => first(&CONTAINERS),
            Scope::Unit => first(&UNITS),
            Scope::Host => first(&HOSTS),
            Scope::Service | Scope::Stream | Scope::All => None,
        }
    }

    /// Every line of the scope; none where a line of this stream does not have it.
    pub(crate) fn lines(self, stream: &Labels) -> Option<LogExpr> {
        let selector = match self {
            Scope::File => named(stream, &FILES, &[&HOSTS])?,
            Scope::Container => named(stream, &CONTAINERS, &[&PODS, &HOSTS])?,
            Scope::Unit => named(stream, &UNITS, &[&HOSTS])?,
            Scope::Host => named(stream, &HOSTS, &[])?,
            Scope::Stream => return Some(locate::of_stream(stream)),
            Scope::Service => return Some(alike::service(stream)),
            Scope::All => Vec::new(),
        };
        Some(LogExpr { selector, stages: Vec::new() })
    }
}

/// Matchers for the first label that names the thing, and for those that tell things of one name apart.
fn named(stream: &Labels, names: &[&str], apart: &[&[&str]]) -> Option<Vec<Matcher>> {
    let matcher = |name: &&str| stream.get(name).map(|value| Matcher::equal(*name, value));
    let mut matchers = vec![names.iter().find_map(matcher)?];
    matchers.extend(apart.iter().flat_map(|names| names.iter().filter_map(matcher)));
    Some(matchers)
}

#[cfg(test)]
mod tests {
    use crate::model::Labels;
    use crate::web::explore::builder;
    use crate::web::explore::line::scope::Scope;

    fn check(labels: &[(&str, &str)], scopes: &str, nearest: &str) {
        let stream = Labels::from_pairs(labels.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let names: Vec<&str> = Scope::of(&stream).into_iter().map(Scope::name).collect();
        assert_eq!(names.join(" "), scopes);
        assert_eq!(builder::text(&Scope::pick(None, &stream).lines(&stream).unwrap()), nearest);
    }

    #[test]
    fn the_nearest_place_is_the_file_on_its_host_else_the_container_or_unit_else_the_stream() {
        check(
            &[("filename", "/var/log/a.log"), ("host", "h"), ("level", "info"), ("job", "a")],
            "file service host all",
            r#"{filename="/var/log/a.log", host="h"}"#,
        );
        check(
            &[("container", "web"), ("pod", "web-1"), ("stream", "stderr")],
            "container service all",
            r#"{container="web", pod="web-1"}"#,
        );
        check(
            &[("unit", "ssh.service"), ("instance", "h")],
            "unit service host all",
            r#"{unit="ssh.service", instance="h"}"#,
        );
        check(&[("app", "web"), ("env", "prod")], "stream service all", r#"{app="web", env="prod"}"#);
    }

    #[test]
    fn a_scope_that_the_line_does_not_have_is_the_nearest() {
        let stream = Labels::from([("app", "web")]);
        assert_eq!(Scope::pick(Some("host"), &stream), Scope::Stream);
        assert_eq!(Scope::pick(Some("service"), &stream), Scope::Service);
    }
}
