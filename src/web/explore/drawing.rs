//! How numbers are shown: as lines, bars or stacked, over time or as they are now, in which unit and order; the parts of
//! an address that change no query. Pure.

use crate::logql::ast::{Conversion, MetricExpr, RangeOp, VectorOp};
use crate::web::explore::chart::number;
use crate::web::language::Language;

/// The shape that series are drawn in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    #[default]
    Lines,
    Bars,
    /// Areas on top of each other, so that the upper edge is their sum.
    Stacked,
    /// No drawing: the values at the end of the range, in a table.
    Instant,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unit {
    #[default]
    Plain,
    Bytes,
    Seconds,
    /// A part of one, written in hundredths.
    Percent,
}

/// By what rows of the table are put in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Column {
    #[default]
    AsAnswered,
    Name,
    Last,
    Least,
    Most,
    Mean,
}

/// All of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drawing {
    pub(crate) shape: Shape,
    /// None where the query tells it.
    pub(crate) unit: Option<Unit>,
    pub(crate) column: Column,
    /// Whether the order is upside down.
    pub(crate) is_reversed: bool,
}

impl Shape {
    pub(crate) const ALL: [Shape; 4] = [Shape::Lines, Shape::Bars, Shape::Stacked, Shape::Instant];

    /// As the address has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Lines => "lines",
            Shape::Bars => "bars",
            Shape::Stacked => "stacked",
            Shape::Instant => "instant",
        }
    }

    pub(crate) fn said(self, say: Language) -> &'static str {
        match self {
            Shape::Lines => say.as_lines(),
            Shape::Bars => say.as_bars(),
            Shape::Stacked => say.as_stack(),
            Shape::Instant => say.as_table(),
        }
    }
}

impl Unit {
    pub(crate) const ALL: [Unit; 4] = [Unit::Plain, Unit::Bytes, Unit::Seconds, Unit::Percent];

    /// As the address has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Plain => "plain",
            Unit::Bytes => "bytes",
            Unit::Seconds => "seconds",
            Unit::Percent => "percent",
        }
    }

    pub(crate) fn said(self, say: Language) -> &'static str {
        match self {
            Unit::Plain => say.unit_plain(),
            Unit::Bytes => say.unit_bytes(),
            Unit::Seconds => say.unit_seconds(),
            Unit::Percent => say.unit_percent(),
        }
    }

    /// What the numbers of a query count, as far as it tells.
    pub(crate) fn of(expr: &MetricExpr) -> Unit {
        match expr {
            MetricExpr::Range(range) => match (range.op, &range.log.unwrap) {
                (RangeOp::BytesOverTime | RangeOp::BytesRate, _) => Unit::Bytes,
                (RangeOp::CountOverTime | RangeOp::Rate, None) => Unit::Plain,
                (_, Some(unwrap)) => match unwrap.conversion {
                    Some(Conversion::Bytes) => Unit::Bytes,
                    Some(Conversion::Duration | Conversion::DurationSeconds) => Unit::Seconds,
                    None => Unit::Plain,
                },
                (_, None) => Unit::Plain,
            },
            MetricExpr::Vector(vector) if vector.op == VectorOp::Count => Unit::Plain,
            MetricExpr::Vector(vector) => Unit::of(&vector.inner),
            MetricExpr::LabelReplace(replace) => Unit::of(&replace.inner),
            MetricExpr::Binary(_) | MetricExpr::Literal(_) | MetricExpr::VectorOf(_) => Unit::Plain,
        }
    }

    /// A number with as many digits as help, and what it counts.
    pub(crate) fn text(self, value: f64) -> String {
        const KIB: f64 = 1024.0;
        let size = value.abs();
        match self {
            _ if !value.is_finite() => number(value),
            Unit::Plain => number(value),
            Unit::Percent => format!("{} %", number(value * 100.0)),
            Unit::Bytes if size < KIB => format!("{} B", number(value)),
            Unit::Bytes => {
                let steps = [("KiB", KIB), ("MiB", KIB.powi(2)), ("GiB", KIB.powi(3)), ("TiB", KIB.powi(4))];
                let (name, step) = steps.into_iter().rfind(|step| size >= step.1).unwrap_or(steps[0]);
                format!("{} {name}", number(value / step))
            }
            Unit::Seconds if size == 0.0 => "0 s".to_owned(),
            Unit::Seconds => {
                let steps = [
                    ("ns", 1e-9),
                    ("µs", 1e-6),
                    ("ms", 1e-3),
                    ("s", 1.0),
                    ("min", 60.0),
                    ("h", 3600.0),
                    ("d", 86_400.0),
                ];
                // two minutes are read best as minutes, ninety seconds as seconds
                let fits = |step: &(&str, f64)| size >= step.1 * if step.1 > 1.0 { 2.0 } else { 1.0 };
                let (name, step) = steps.into_iter().rfind(fits).unwrap_or(steps[0]);
                format!("{} {name}", number(value / step))
            }
        }
    }
}

impl Column {
    pub(crate) const ALL: [Column; 6] =
        [Column::AsAnswered, Column::Name, Column::Last, Column::Least, Column::Most, Column::Mean];

    /// As the address has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Column::AsAnswered => "",
            Column::Name => "name",
            Column::Last => "last",
            Column::Least => "least",
            Column::Most => "most",
            Column::Mean => "mean",
        }
    }
}

impl Drawing {
    /// Reads the parameters `chart`, `unit` and `by`; what cannot be read is as by default.
    pub(crate) fn read(chart: Option<&str>, unit: Option<&str>, by: Option<&str>) -> Drawing {
        let by = by.unwrap_or("");
        let (is_reversed, by) = by.strip_prefix('-').map_or((false, by), |name| (true, name));
        let column = Column::ALL.into_iter().find(|column| column.name() == by).unwrap_or_default();
        Drawing {
            shape: Shape::ALL.into_iter().find(|shape| Some(shape.name()) == chart).unwrap_or_default(),
            unit: Unit::ALL.into_iter().find(|known| Some(known.name()) == unit),
            column,
            is_reversed: is_reversed && column != Column::AsAnswered,
        }
    }

    /// Names and values in the address; what is as by default is left out.
    pub(crate) fn pairs(self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        if self.shape != Shape::Lines {
            pairs.push(("chart", self.shape.name().to_owned()));
        }
        if let Some(unit) = self.unit {
            pairs.push(("unit", unit.name().to_owned()));
        }
        if self.column != Column::AsAnswered {
            pairs.push(("by", format!("{}{}", if self.is_reversed { "-" } else { "" }, self.column.name())));
        }
        pairs
    }

    /// In the order of a column; numbers begin with the greatest, and the same column again turns the order over.
    pub(crate) fn sorted_by(self, column: Column) -> Drawing {
        let is_again = self.column == column;
        let is_reversed = if is_again { !self.is_reversed } else { column != Column::Name };
        Drawing { column, is_reversed, ..self }
    }
}

#[cfg(test)]
mod tests {
    use crate::logql;
    use crate::logql::ast::Expr;
    use crate::web::explore::drawing::{Column, Drawing, Shape, Unit};

    #[test]
    fn the_address_holds_how_numbers_are_shown() {
        let read = Drawing::read;
        assert_eq!(read(None, None, None), Drawing::default());
        let drawing = read(Some("stacked"), Some("bytes"), Some("-most"));
        assert_eq!((drawing.shape, drawing.unit), (Shape::Stacked, Some(Unit::Bytes)));
        let pairs = drawing.pairs();
        assert_eq!(pairs.iter().map(|pair| pair.1.as_str()).collect::<Vec<_>>(), ["stacked", "bytes", "-most"]);
        assert_eq!(read(Some("pie"), Some("mice"), Some("-x")), Drawing::default());
        let by_name = Drawing::default().sorted_by(Column::Name);
        assert!(!by_name.is_reversed && by_name.sorted_by(Column::Name).is_reversed);
        assert!(by_name.sorted_by(Column::Most).is_reversed);
    }

    #[test]
    fn a_query_tells_what_it_counts() {
        let unit = |query: &str| match logql::parse_lenient(query).unwrap() {
            Expr::Metric(expr) => Unit::of(&expr),
            Expr::Log(_) => panic!("{query}"),
        };
        assert_eq!(unit(r#"sum by (app) (bytes_rate({a="b"}[5m]))"#), Unit::Bytes);
        assert_eq!(unit(r#"quantile_over_time(0.9, {a="b"} | json | unwrap duration(took) [5m])"#), Unit::Seconds);
        assert_eq!(unit(r#"max_over_time({a="b"} | json | unwrap bytes(size) [5m])"#), Unit::Bytes);
        assert_eq!(unit(r#"rate({a="b"}[5m])"#), Unit::Plain);
        assert_eq!(unit(r#"bytes_rate({a="b"}[5m]) / rate({a="b"}[5m])"#), Unit::Plain);
        assert_eq!(unit(r#"count(bytes_rate({a="b"}[5m]))"#), Unit::Plain);
    }

    #[test]
    fn numbers_are_said_in_few_digits_with_their_unit() {
        for (unit, value, text) in [
            (Unit::Bytes, 512.0, "512 B"),
            (Unit::Bytes, 1_572_864.0, "1.50 MiB"),
            (Unit::Seconds, 0.0125, "12.5 ms"),
            (Unit::Seconds, 90.0, "90 s"),
            (Unit::Seconds, 5_400.0, "90 min"),
            (Unit::Seconds, 0.0, "0 s"),
            (Unit::Percent, 0.125, "12.5 %"),
        ] {
            assert_eq!(unit.text(value), text);
        }
    }
}
