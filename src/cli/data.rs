//! The data folder, as the commands find it that work beside a running server.

use std::path::PathBuf;

use anyhow::bail;
use jiff::tz::TimeZone;

use crate::cli::settings::Settings;
use crate::db::Db;
use crate::model::Timestamp;
use crate::server;

#[derive(Debug, clap::Args)]
pub(crate) struct DataFolder {
    /// Folder of the server's data [default: as in logcafe.toml, else ./data]
    #[arg(long, env = "LOGCAFE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// Settings of the server, for its data folder [default: ./logcafe.toml, where it exists]
    #[arg(long, env = "LOGCAFE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DataFolder {
    /// What a server in that folder is set to.
    pub(crate) fn config(self) -> anyhow::Result<server::Config> {
        let settings = Settings { data: self.data, ..Settings::default() };
        settings.or_file(self.config.as_deref())?.into_config()
    }

    /// Opens the database there, or makes it: people can be added before the first start. A folder that is not there is
    /// more likely a slip than a wish for a new one.
    pub(crate) fn open(self) -> anyhow::Result<Db> {
        let data = self.config()?.data;
        if !data.is_dir() {
            bail!("there is no folder {}; name the server's with --data", data.display());
        }
        Ok(Db::open(&server::db_path(&data))?)
    }
}

/// A point in time to the minute, in the time zone of this machine.
pub(crate) fn day(time: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(time.nanos()))
        .map(|time| time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_default()
}
