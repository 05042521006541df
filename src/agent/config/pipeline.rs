//! The list of stages of a scrape configuration.

use std::io::Write;

use serde::Deserialize;

use crate::agent::config::units::or_default;
use crate::agent::show::Inspected;
use crate::agent::stage::{
    Pipeline, Stage, Surroundings, cri, decolorize, docker, drop, eventlogmessage, geoip, json, labels, limit, logfmt,
    matcher, metrics, multiline, output, pack, regex, replace, sampling, template, tenant, timestamp,
};

/// One stage, as the configuration writes it: its name, and its settings below.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StageConfig {
    Docker(#[serde(deserialize_with = "or_default")] docker::Config),
    Cri(#[serde(deserialize_with = "or_default")] cri::Config),
    Regex(regex::Config),
    Json(json::Config),
    Logfmt(logfmt::Config),
    Replace(replace::Config),
    Multiline(multiline::Config),
    Pack(#[serde(deserialize_with = "or_default")] pack::Config),
    Template(template::Config),
    Timestamp(timestamp::Config),
    Output(output::Config),
    Labels(labels::Sources),
    Labelallow(labels::List),
    Labeldrop(labels::List),
    StaticLabels(labels::Fixed),
    // its name before Promtail 3
    #[serde(alias = "non_indexed_labels")]
    StructuredMetadata(labels::Sources),
    Metrics(metrics::Config),
    Tenant(tenant::Config),
    Match(Box<matcher::Config>),
    Drop(drop::Config),
    Limit(limit::Config),
    Sampling(sampling::Config),
    Decolorize(#[serde(deserialize_with = "or_default")] decolorize::Config),
    Eventlogmessage(#[serde(deserialize_with = "or_default")] eventlogmessage::Config),
    Geoip(geoip::Config),
}

impl StageConfig {
    fn build(&self, around: &Surroundings) -> Box<dyn Stage> {
        match self {
            StageConfig::Docker(config) => config.build(around),
            StageConfig::Cri(config) => config.build(around),
            StageConfig::Regex(config) => config.build(around),
            StageConfig::Json(config) => config.build(around),
            StageConfig::Logfmt(config) => config.build(around),
            StageConfig::Replace(config) => config.build(around),
            StageConfig::Multiline(config) => config.build(around),
            StageConfig::Pack(config) => config.build(around),
            StageConfig::Template(config) => config.build(around),
            StageConfig::Timestamp(config) => config.build(around),
            StageConfig::Output(config) => config.build(around),
            StageConfig::Labels(config) => config.build_labels(around),
            StageConfig::Labelallow(config) => config.build_allow(around),
            StageConfig::Labeldrop(config) => config.build_drop(around),
            StageConfig::StaticLabels(config) => config.build(around),
            StageConfig::StructuredMetadata(config) => config.build_structured(around),
            StageConfig::Metrics(config) => config.build(around),
            StageConfig::Tenant(config) => config.build(around),
            StageConfig::Match(config) => config.build(around),
            StageConfig::Drop(config) => config.build(around),
            StageConfig::Limit(config) => config.build(around),
            StageConfig::Sampling(config) => config.build(around),
            StageConfig::Decolorize(config) => config.build(around),
            StageConfig::Eventlogmessage(config) => config.build(around),
            StageConfig::Geoip(config) => match *config {},
        }
    }

    /// As the configuration calls it.
    fn name(&self) -> &'static str {
        match self {
            StageConfig::Docker(_) => "docker",
            StageConfig::Cri(_) => "cri",
            StageConfig::Regex(_) => "regex",
            StageConfig::Json(_) => "json",
            StageConfig::Logfmt(_) => "logfmt",
            StageConfig::Replace(_) => "replace",
            StageConfig::Multiline(_) => "multiline",
            StageConfig::Pack(_) => "pack",
            StageConfig::Template(_) => "template",
            StageConfig::Timestamp(_) => "timestamp",
            StageConfig::Output(_) => "output",
            StageConfig::Labels(_) => "labels",
            StageConfig::Labelallow(_) => "labelallow",
            StageConfig::Labeldrop(_) => "labeldrop",
            StageConfig::StaticLabels(_) => "static_labels",
            StageConfig::StructuredMetadata(_) => "structured_metadata",
            StageConfig::Metrics(_) => "metrics",
            StageConfig::Tenant(_) => "tenant",
            StageConfig::Match(_) => "match",
            StageConfig::Drop(_) => "drop",
            StageConfig::Limit(_) => "limit",
            StageConfig::Sampling(_) => "sampling",
            StageConfig::Decolorize(_) => "decolorize",
            StageConfig::Eventlogmessage(_) => "eventlogmessage",
            StageConfig::Geoip(config) => match *config {},
        }
    }
}

/// The stages of a scrape configuration, ready to run. Each target that is read by itself gets its own.
pub(crate) fn build(stages: &[StageConfig], around: &Surroundings) -> Pipeline {
    Pipeline::new(stages.iter().map(|stage| stage.build(around)).collect())
}

/// The same, and each tells on an output of its own what it changes.
pub(crate) fn build_inspected(
    stages: &[StageConfig],
    around: &Surroundings,
    out: &dyn Fn() -> Box<dyn Write + Send>,
) -> Pipeline {
    let inspected =
        |stage: &StageConfig| -> Box<dyn Stage> { Box::new(Inspected::new(stage.name(), stage.build(around), out())) };
    Pipeline::new(stages.iter().map(inspected).collect())
}
