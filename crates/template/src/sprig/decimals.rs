//! Decimal arithmetic as `shopspring/decimal` does it: exact sums and products, quotients rounded to 16 places.

use num_bigint::BigInt;

/// Decimal places of a quotient.
const PLACES: i64 = 16;

/// `coefficient · 10^exponent`.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    coefficient: BigInt,
    exponent: i64,
}

/// Why there is no result; the texts are those of Go's panics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("Cannot create a Decimal from {0}")]
    NotFinite(&'static str),
    #[error("decimal division by 0")]
    ByZero,
}

impl Decimal {
    /// The decimal with the fewest digits that reads back as `number`.
    pub(super) fn new(number: f64) -> Result<Self, Error> {
        if number.is_nan() {
            return Err(Error::NotFinite("NaN"));
        }
        if number.is_infinite() {
            return Err(Error::NotFinite(if number > 0.0 { "+Inf" } else { "-Inf" }));
        }
        let shown = format!("{number:e}");
        let (digits, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let coefficient = format!("{whole}{fraction}").parse().unwrap_or_default();
        Ok(Self { coefficient, exponent: exponent.parse::<i64>().unwrap_or(0) - fraction.len() as i64 })
    }
    /// Digits that the coefficient takes, about.
    pub(super) fn size(&self) -> u64 {
        self.coefficient.bits() / 8 + 8
    }
    fn scaled(&self, exponent: i64) -> BigInt {
        &self.coefficient * power(self.exponent - exponent)
    }
    pub(super) fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self { coefficient: self.scaled(exponent) + other.scaled(exponent), exponent }
    }
    pub(super) fn sub(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self { coefficient: self.scaled(exponent) - other.scaled(exponent), exponent }
    }
    pub(super) fn mul(&self, other: &Self) -> Self {
        Self { coefficient: &self.coefficient * &other.coefficient, exponent: self.exponent + other.exponent }
    }
    /// The quotient, halves rounded away from zero.
    pub(super) fn div(&self, other: &Self) -> Result<Self, Error> {
        let zero = BigInt::default();
        if other.coefficient == zero {
            return Err(Error::ByZero);
        }
        let shift = self.exponent - other.exponent + PLACES;
        let (above, below) = if shift >= 0 {
            (&self.coefficient * power(shift), other.coefficient.clone())
        } else {
            (self.coefficient.clone(), &other.coefficient * power(-shift))
        };
        let twice = (&above % &below) * 2;
        let (twice, limit) = (magnitude(&twice), magnitude(&below));
        let mut coefficient = &above / &below;
        if twice >= limit {
            coefficient += if (above < zero) == (below < zero) { 1 } else { -1 };
        }
        Ok(Self { coefficient, exponent: -PLACES })
    }
    /// The nearest float.
    pub(super) fn to_f64(&self) -> f64 {
        format!("{}e{}", self.coefficient, self.exponent).parse().unwrap_or(0.0)
    }
}

fn magnitude(number: &BigInt) -> BigInt {
    BigInt::from(number.magnitude().clone())
}

fn power(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn d(number: f64) -> Decimal {
        Decimal::new(number).unwrap()
    }

    #[test]
    fn sums_are_exact_and_quotients_rounded() {
        assert_eq!(d(0.1).add(&d(0.2)).to_f64(), 0.3);
        assert_eq!(d(1e21).sub(&d(1e-9)).to_f64(), 1e21);
        assert_eq!(d(1.1).mul(&d(-1.1)).to_f64(), -1.21);
        assert_eq!(d(10.0).div(&d(3.0)).unwrap().to_f64(), 3.3333333333333335);
        assert_eq!(d(-2.0).div(&d(3.0)).unwrap().to_f64(), -0.6666666666666667);
        assert_eq!(d(1e-20).div(&d(1.0)).unwrap().to_f64(), 0.0);
        assert_eq!(d(1.0).div(&d(0.0)).unwrap_err(), Error::ByZero);
        assert!(Decimal::new(f64::NAN).is_err());
    }
}
