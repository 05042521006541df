//! `docker`: reads the lines that Docker's `json-file` driver writes: `{"log":"…","stream":"stdout","time":"…"}`.

use serde::Deserialize;

use crate::agent::stage::json::Json;
use crate::agent::stage::labels::SetLabels;
use crate::agent::stage::nested::Nested;
use crate::agent::stage::output::Output;
use crate::agent::stage::timestamp::{Stamper, Timestamp};
use crate::agent::stage::{Pipeline, Stage, Surroundings};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {}

impl Config {
    pub(crate) fn build(&self, around: &Surroundings) -> Box<dyn Stage> {
        let own = str::to_owned;
        let stages: Vec<Box<dyn Stage>> = vec![
            Box::new(Json::of_fields(&[("output", "log"), ("stream", "stream"), ("timestamp", "time")])),
            Box::new(SetLabels { sources: vec![(own("stream"), own("stream"))] }),
            Box::new(Timestamp { source: own("timestamp"), stamper: Stamper::rfc3339(around.clock) }),
            Box::new(Output { source: own("output") }),
        ];
        Box::new(Nested::new(Pipeline::new(stages)))
    }
}
