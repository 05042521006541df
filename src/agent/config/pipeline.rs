//! The list of stages of a scrape configuration.
