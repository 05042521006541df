//! Decimal numbers for `addf`, `subf`, `mulf` and `divf`.

/// Digits after the point that a quotient is rounded to.
const QUOTIENT_DIGITS: i32 = 16;

/// `coefficient * 10^exponent`; where that gets too long, the nearest binary number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decimal {
    Exact { coefficient: i128, exponent: i32 },
    Rounded(f64),
}

impl Decimal {
    /// The shortest decimal that reads back as this number; the error is that of the library that Loki uses.
    pub(crate) fn new(value: f64) -> Result<Decimal, String> {
        if !value.is_finite() {
            let shown = if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return Err(format!("Cannot create a Decimal from {shown}"));
        }
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let coefficient = format!("{whole}{fraction}").parse();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let decimals = i32::try_from(fraction.len()).unwrap_or(0);
        Ok(coefficient.map_or(Decimal::Rounded(value), |coefficient| Decimal::Exact {
            coefficient,
            exponent: exponent - decimals,
        }))
    }

    pub(crate) fn negated(self) -> Decimal {
        match self {
            Decimal::Exact { coefficient, exponent } => Decimal::Exact { coefficient: -coefficient, exponent },
            Decimal::Rounded(value) => Decimal::Rounded(-value),
        }
    }

    pub(crate) fn add(self, other: Decimal) -> Decimal {
        let exact = self.aligned(other).and_then(|(a, b, exponent)| {
            let coefficient = a.checked_add(b)?;
            Some(Decimal::Exact { coefficient, exponent })
        });
        exact.unwrap_or_else(|| Decimal::Rounded(self.to_float() + other.to_float()))
    }

    pub(crate) fn multiply(self, other: Decimal) -> Decimal {
        if let (Decimal::Exact { coefficient: a, exponent: i }, Decimal::Exact { coefficient: b, exponent: j }) =
            (self, other)
            && let Some(coefficient) = a.checked_mul(b)
        {
            return Decimal::Exact { coefficient, exponent: i.saturating_add(j) };
        }
        Decimal::Rounded(self.to_float() * other.to_float())
    }

    pub(crate) fn divide(self, other: Decimal) -> Result<Decimal, String> {
        if other.to_float() == 0.0 {
            return Err("decimal division by 0".to_owned());
        }
        Ok(self.exact_quotient(other).unwrap_or_else(|| Decimal::Rounded(self.to_float() / other.to_float())))
    }

    fn exact_quotient(self, other: Decimal) -> Option<Decimal> {
        let (a, b, _) = self.aligned(other)?;
        let whole = a.checked_mul(10i128.checked_pow(u32::try_from(QUOTIENT_DIGITS).ok()?)?)?;
        let (quotient, rest) = (whole / b, whole % b);
        // half and more goes away from zero
        let up = rest.checked_abs()?.checked_mul(2)? >= b.checked_abs()?;
        let sign = if (whole < 0) == (b < 0) { 1 } else { -1 };
        let coefficient = if up { quotient + sign } else { quotient };
        Some(Decimal::Exact { coefficient, exponent: -QUOTIENT_DIGITS })
    }

    /// Both coefficients for one exponent.
    fn aligned(self, other: Decimal) -> Option<(i128, i128, i32)> {
        let (Decimal::Exact { coefficient: a, exponent: i }, Decimal::Exact { coefficient: b, exponent: j }) =
            (self, other)
        else {
            return None;
        };
        let exponent = i.min(j);
        let scale = |coefficient: i128, from: i32| {
            coefficient.checked_mul(10i128.checked_pow(u32::try_from(from - exponent).ok()?)?)
        };
        Some((scale(a, i)?, scale(b, j)?, exponent))
    }

    pub(crate) fn to_float(self) -> f64 {
        match self {
            Decimal::Exact { coefficient, exponent } => format!("{coefficient}e{exponent}").parse().unwrap_or(f64::NAN),
            Decimal::Rounded(value) => value,
        }
    }
}
