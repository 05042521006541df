//! Lists of targets that come, change, break and go.

use std::fs;
use std::path::{Path, PathBuf};

use crate::agent::config::Variables;
use crate::agent::discovery::*;
use crate::agent::files::bell::Rung;

/// A folder with lists, and an agent's discovery over them.
struct Rig {
    folder: tempfile::TempDir,
    bell: Arc<Bell>,
    metrics: Arc<Metrics>,
    discovery: Discovery,
    now: Instant,
}

/// `$` stands for the folder.
fn begin(folder: &Path, jobs: &str) -> anyhow::Result<(Arc<Bell>, Arc<Metrics>, Discovery)> {
    let text = format!("scrape_configs:\n{jobs}\n").replace('$', &folder.to_string_lossy());
    let config = Config::parse("test", &text, Variables::Keep).unwrap_or_else(|problem| panic!("{problem}"));
    let (bell, metrics) = (Arc::<Bell>::default(), Arc::<Metrics>::default());
    let discovery = Discovery::begin(&config, &bell, &metrics)?;
    Ok((bell, metrics, discovery))
}

impl Rig {
    fn new(jobs: &str, files: &[(&str, &str)]) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let (bell, metrics, discovery) = begin(folder.path(), jobs).unwrap();
        Rig { folder, bell, metrics, discovery, now: Instant::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&mut self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        self.look();
    }

    fn look(&mut self) {
        self.now += LOOK;
        self.discovery.look(self.now);
    }

    /// What the reader was told since the last time: job, pattern, labels, without the folder.
    fn told(&self) -> Option<Vec<String>> {
        let Rung { targets, .. } = self.bell.wait(Duration::ZERO);
        let folder = format!("{}/", self.folder.path().display());
        let say = |target: &Target| {
            let exclude = target.exclude.as_ref().map_or(String::new(), |glob| format!(" but {}", glob.text()));
            let text = format!("{} {}{exclude} {}", target.job, target.glob.text(), target.labels);
            text.replace(&folder, "")
        };
        targets.map(|targets| targets.iter().map(say).collect())
    }

    #[track_caller]
    fn expect(&self, told: Option<&[&str]>) {
        assert_eq!(
            self.told().as_deref().map(|told| told.iter().map(String::as_str).collect()),
            told.map(<[_]>::to_vec)
        );
    }
}

const LIST: &str = "- job_name: a\n  file_sd_configs: [{files: ['$/*.yml', '$/one.json']}]";

fn yaml(name: &str) -> String {
    format!("- targets: [localhost]\n  labels: {{__path__: /var/log/{name}.log, app: {name}}}\n")
}

#[test]
fn targets_are_those_that_lists_name_now() {
    let mut rig = Rig::new(LIST, &[("a.yml", &yaml("x"))]);
    rig.expect(Some(&["0 /var/log/x.log {app=\"x\"}"]));
    rig.look();
    rig.expect(None);
    rig.write("one.json", r#"[{"targets": ["localhost"], "labels": {"__path__": "/j.log", "n": "1"}}]"#);
    rig.expect(Some(&["0 /var/log/x.log {app=\"x\"}", "0 /j.log {n=\"1\"}"]));
    rig.write("a.yml", &yaml("yy"));
    rig.expect(Some(&["0 /var/log/yy.log {app=\"yy\"}", "0 /j.log {n=\"1\"}"]));
    // written anew with the same in it
    rig.write("a.yml", &yaml("yy"));
    rig.expect(None);
    fs::remove_file(rig.path("a.yml")).unwrap();
    rig.look();
    rig.expect(Some(&["0 /j.log {n=\"1\"}"]));
    rig.write("one.json", "[]");
    rig.expect(Some(&[]));
}

#[test]
fn the_last_good_version_of_a_broken_list_holds() {
    let mut rig = Rig::new(LIST, &[("a.yml", &yaml("x"))]);
    rig.expect(Some(&["0 /var/log/x.log {app=\"x\"}"]));
    for broken in ["- targets: [", "- target: [localhost]", "targets: []", "- labels: {1a: b}", "\u{0}"] {
        rig.write("a.yml", broken);
        rig.expect(None);
    }
    rig.write("a.yml", &yaml("z"));
    rig.expect(Some(&["0 /var/log/z.log {app=\"z\"}"]));
    // one that cannot be read is not one that is gone
    fs::remove_file(rig.path("a.yml")).unwrap();
    fs::create_dir(rig.path("a.yml")).unwrap();
    std::os::unix::fs::symlink(rig.path("b.yml"), rig.path("b.yml")).unwrap();
    rig.look();
    fs::write(rig.path("c.yml"), b"\xff\xfe").unwrap();
    rig.look();
    assert_eq!(rig.told(), Some(vec![]));
}

#[test]
fn what_is_wrong_in_a_list_is_told_with_its_place() {
    let problem = |name: &str, text: &str| listed::parse(Path::new(name), text).unwrap_err();
    let unknown = problem("/sd/a.yml", "- targets: [localhost]\n  lables: {}\n");
    assert!(unknown.contains("/sd/a.yml:2:3") && unknown.contains("lables"), "{unknown}");
    let torn = problem("/sd/a.json", "[\n{\"targets\": [\"a\"]");
    assert!(torn.contains("/sd/a.json:2:"), "{torn}");
    let kind = problem("/sd/a.json", "[{\"targets\": \"a\"}]");
    assert!(kind.contains("expected a sequence"), "{kind}");
}

#[test]
fn rules_see_where_a_target_is_listed() {
    let rules = "\n  relabel_configs:\n  - {source_labels: [__meta_filepath], regex: '.*/(.*).yml', target_label: list}\n  \
                 - {source_labels: [__address__], target_label: host}\n  \
                 - {source_labels: [drop], regex: 'yes', action: drop}";
    let list =
        "- {targets: [h1, h2], labels: {__path__: /a.log}}\n- {targets: [h3], labels: {__path__: /b.log, drop: 'yes'}}";
    let rig = Rig::new(&format!("{LIST}{rules}"), &[("web.yml", list)]);
    rig.expect(Some(&["0 /a.log {host=\"h1\", list=\"web\"}", "0 /a.log {host=\"h2\", list=\"web\"}"]));
    assert!(rig.metrics.render().contains("promtail_targets_failed_total{reason=\"empty_labels\"} 1"));
}

#[test]
fn a_target_for_another_host_or_without_a_path_is_left_out_and_the_others_are_read() {
    let own = own_name();
    let list = format!(
        "- {{targets: [localhost], labels: {{app: lost}}}}\n\
         - {{targets: [localhost], labels: {{__path__: /a.log, __host__: {own}, __path_exclude__: /a*}}}}\n\
         - {{targets: [localhost, localhost], labels: {{__path__: /b.log, __host__: '{own}x'}}}}\n\
         - {{targets: [localhost], labels: {{__path__: '/c['}}}}\n\
         - {{targets: [a, b], labels: {{__path__: /d.log}}}}\n\
         - {{targets: [], labels: {{__path__: /e.log}}}}\n"
    );
    let rig = Rig::new(LIST, &[("a.yml", &list)]);
    rig.expect(Some(&["0 /a.log but /a* {}", "0 /d.log {}"]));
    let text = rig.metrics.render();
    for (reason, count) in [("no_path", 1), ("wrong_host", 2), ("error", 1), ("exists", 1)] {
        let line = format!("promtail_targets_failed_total{{reason=\"{reason}\"}} {count}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
}

#[test]
fn static_targets_are_promtails() {
    let jobs = "- job_name: a\n  static_configs:\n  - {targets: [localhost], labels: {__path__: /a.log, job: x}}\n  \
                - {labels: {__path__: /b.log}}\n- job_name: b\n  static_configs: [{targets: [other], labels: {__path__: \
                /c.log, __host__: elsewhere}}]";
    let rig = Rig::new(jobs, &[]);
    rig.expect(Some(&["0 /a.log {job=\"x\"}", "0 /b.log {}"]));
    let folder = tempfile::tempdir().unwrap();
    let refused = |labels: &str| {
        let jobs = format!("- job_name: a\n  static_configs: [{{labels: {{{labels}}}}}]");
        format!("{:#}", begin(folder.path(), &jobs).err().unwrap())
    };
    assert_eq!(
        refused("app: x"),
        "test:3:20: the job \"a\": a target has no __path__: name the files to read, as in __path__: \
         /var/log/app/*.log\n  |\n3 |   static_configs: [{labels: {app: x}}]\n  |                    ^"
    );
    assert!(refused("__path__: '/a['").contains("__path__: `/a[` is no pattern"));
}
