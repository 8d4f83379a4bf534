//! What a curve is worth between its points.
//!
//! It never looks at a term: an argument is a plain number.

use super::preferences::{Curve, Shape};

impl Curve {
    /// The worth of `at`; 0 without points.
    pub fn worth(&self, at: i64) -> f64 {
        let after = self.points.partition_point(|(x, _)| *x <= at);
        let (before, next) = (self.point(after.checked_sub(1)), self.point(Some(after)));
        let (Some((x0, y0)), Some((x1, y1))) = (before, next) else {
            return before.or(next).map_or(0.0, |(_, y)| y);
        };
        let width = x1 - x0;
        let t = (at as f64 - x0) / width;
        match self.shape {
            Shape::Stepped => y0,
            Shape::Linear => y0 + (y1 - y0) * t,
            Shape::Monotone => {
                let slope = (y1 - y0) / width;
                let begin = self
                    .point(after.checked_sub(2))
                    .map_or(slope, |(x, y)| between((y0 - y) / (x0 - x), slope));
                let end = self
                    .point(after.checked_add(1))
                    .map_or(slope, |(x, y)| between(slope, (y - y1) / (x - x1)));
                let (t2, t3) = (t * t, t * t * t);
                (2.0 * t3 - 3.0 * t2 + 1.0) * y0
                    + (t3 - 2.0 * t2 + t) * width * begin
                    + (3.0 * t2 - 2.0 * t3) * y1
                    + (t3 - t2) * width * end
            }
        }
    }

    fn point(&self, index: Option<usize>) -> Option<(f64, f64)> {
        self.points.get(index?).map(|(x, y)| (*x as f64, *y))
    }
}

/// The slope of a curve in a point, from those of the lines at both of its sides: their harmonic mean, which never
/// overshoots, and none where the curve turns.
fn between(left: f64, right: f64) -> f64 {
    if left * right > 0.0 { 2.0 * left * right / (left + right) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(shape: Shape) -> Curve {
        Curve { shape, points: vec![(0, 0.0), (10, 1.0), (20, 1.0), (40, 5.0)] }
    }

    #[test]
    fn every_shape_goes_through_the_points_and_is_level_outside() {
        for shape in [Shape::Linear, Shape::Stepped, Shape::Monotone] {
            let curve = curve(shape);
            for (x, y) in
                [(-5, 0.0), (0, 0.0), (10, 1.0), (20, 1.0), (40, 5.0), (i64::MAX, 5.0), (i64::MIN, 0.0)]
            {
                assert!((curve.worth(x) - y).abs() < 1e-12, "{shape:?} at {x}: {}", curve.worth(x));
            }
        }
    }

    #[test]
    fn shapes_differ_between_points() {
        assert!((curve(Shape::Linear).worth(30) - 3.0).abs() < 1e-12);
        assert!((curve(Shape::Stepped).worth(39) - 1.0).abs() < 1e-12);
        let smooth = curve(Shape::Monotone);
        assert!(smooth.worth(22) < curve(Shape::Linear).worth(22), "it leaves a level piece gently");
    }

    #[test]
    fn a_monotone_curve_never_falls_where_its_points_rise() {
        let smooth = curve(Shape::Monotone);
        for x in 0..40 {
            assert!(smooth.worth(x) <= smooth.worth(x + 1) + 1e-12, "at {x}");
            assert!((0.0..=5.0).contains(&smooth.worth(x)));
        }
        assert!((smooth.worth(15) - 1.0).abs() < 1e-12, "what is level stays level");
    }

    #[test]
    fn no_points_are_worth_nothing() {
        assert_eq!(Curve::default().worth(7), 0.0);
    }
}
