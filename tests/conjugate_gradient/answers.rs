//! What each search answers to single samples, against numbers worked out by hand.

use thalweg::solvers::{
    Backtracking, Cubic, Exact, HagerZhang, LineSearch, MoreThuente, Next, NoLength, Sample, Secant,
};

const NAN: f64 = f64::NAN;

fn s(length: f64, value: f64, slope: f64) -> Sample {
    Sample { length, value, slope }
}

/// Begins at φ(0) = `value` and φ'(0) = `slope`.
fn begun<L: LineSearch>(mut search: L, value: f64, slope: f64, noise: f64) -> L {
    assert_eq!(search.begin(s(0.0, value, slope), 1.0, noise), 1.0);
    search
}

#[track_caller]
fn tries(next: Next, expected: f64) {
    let Next::Try(length) = next else { panic!("{next:?}, not {expected}") };
    assert!((length - expected).abs() <= 1e-12 * expected, "{length}, not {expected}");
}

#[test]
fn a_sample_is_finite_if_value_and_slope_are() {
    assert!(s(1.0, 1.0, 1.0).is_finite());
    assert!(!s(1.0, NAN, 1.0).is_finite() && !s(1.0, 1.0, f64::INFINITY).is_finite());
}

#[test]
fn backtracking_alone_needs_no_slope() {
    assert!(!Backtracking::new().needs_slope());
    let others: [&dyn LineSearch; 5] =
        [&Cubic::new(), &MoreThuente::new(), &HagerZhang::new(), &Secant::new(), &Exact::new()];
    assert!(others.iter().all(|search| search.needs_slope()));
}

#[test]
fn a_first_length_that_is_none_is_1() {
    let searches: [&mut dyn LineSearch; 6] = [
        &mut Cubic::new(),
        &mut MoreThuente::new(),
        &mut HagerZhang::new(),
        &mut Backtracking::new(),
        &mut Secant::new(),
        &mut Exact::new(),
    ];
    for search in searches {
        for (first, begun) in
            [(0.0, 1.0), (-2.0, 1.0), (f64::INFINITY, 1.0), (NAN, 1.0), (0.3, 0.3)]
        {
            assert_eq!(search.begin(s(0.0, 0.0, -1.0), first, 0.0), begun);
        }
        for none in [0.0, -1.0, NAN, f64::INFINITY] {
            assert_eq!(search.advance(s(none, -1.0, 0.0)), Next::Fail(NoLength::NotALength));
        }
    }
}

/// φ(α) = 2 - 3α + kα² has its minimizer at 3/(2k), and φ(2) = 4k - 4.
#[test]
fn backtracking_goes_to_the_minimizer_of_a_parabola_or_a_tenth_or_half_of_the_way() {
    let at = |value: f64| begun(Backtracking::new(), 2.0, -3.0, 0.0).advance(s(2.0, value, NAN));
    tries(at(14.0), 1.0 / 3.0); // k = 4.5
    tries(at(1e3), 0.2);
    tries(at(1.9995), 1.0); // beyond half, 1.00008…
    tries(at(f64::INFINITY), 0.2);
    tries(at(NAN), 0.2);
    // Enough is 2 - 1e-4·3·2.
    assert_eq!(at(1.9993), Next::Accept);
    let mut demanding = begun(Backtracking::new().decrease(0.5), 2.0, -3.0, 0.0);
    tries(demanding.advance(s(2.0, -0.9, NAN)), 1.0);
    assert_eq!(demanding.advance(s(2.0, -1.1, NAN)), Next::Accept);
    // 2 is no such share, the nearest is just below 1: φ(0) = 0 and φ'(0) = -1 ask at 1 for hardly less than -1.
    let mut most = begun(Backtracking::new().decrease(2.0), 0.0, -1.0, 0.0);
    assert!(matches!(most.advance(s(1.0, -0.999, NAN)), Next::Try(_)));
    assert_eq!(most.advance(s(1.0, -1.0, NAN)), Next::Accept);
}

#[test]
fn backtracking_says_why_it_gives_up() {
    for (value, why) in [(NAN, NoLength::NonFinite), (5.0, NoLength::Precision)] {
        let mut search = begun(Backtracking::new(), 2.0, -3.0, 0.0);
        let answers: Vec<Next> = (0..60).map(|_| search.advance(s(0.5, value, NAN))).collect();
        assert!(answers[..59].iter().all(|next| matches!(next, Next::Try(_))));
        assert_eq!(answers[59], Next::Fail(why));
        // Another search begins anew, and a length that is next to nothing ends it.
        search.begin(s(0.0, 2.0, -3.0), 1.0, 0.0);
        assert!(matches!(search.advance(s(0.5, value, NAN)), Next::Try(_)));
        assert!(matches!(search.advance(s(1e-300, value, NAN)), Next::Try(_)));
        assert_eq!(search.advance(s(1e-301, value, NAN)), Next::Fail(why));
    }
}

/// φ(α) = α³/3 - α²/2 - 2α falls till 2, where its slope (α - 2)(α + 1) vanishes.
#[test]
fn the_minimizer_of_a_cubic_is_found_from_two_of_its_points() {
    let phi = |a: f64| s(a, a * a * a / 3.0 - a * a / 2.0 - 2.0 * a, (a - 2.0) * (a + 1.0));
    // From a point beyond it, and from one before it.
    tries(begun(Cubic::new(), 0.0, -2.0, 0.0).advance(phi(5.0)), 2.0);
    tries(begun(Cubic::new(), 0.0, -2.0, 0.0).advance(phi(0.5)), 2.0);
    // The slopes alone lead from 1.5 to 4: half more than the cubic says is taken.
    let mut search = begun(Cubic::new(), 0.0, -2.0, 0.0);
    tries(search.advance(phi(1.5)), 3.0);
    tries(search.advance(phi(3.0)), 2.0);
    assert_eq!(search.advance(phi(2.0)), Next::Accept);
}

/// φ(1) = 1 is higher than φ(0) = 0, and falls with -½ as φ(0) does with -2. The parabola by the values is 3α² - 2α,
/// the cubic -4.5α³ + 7.5α² - 2α, whose slope vanishes at (15 - √117)/27.
#[test]
fn higher_yet_falling_the_mean_of_cubic_and_parabola_is_tried() {
    let mut search = begun(Cubic::new(), 0.0, -2.0, 0.0);
    tries(search.advance(s(1.0, 1.0, -0.5)), 0.5 * (1.0 / 3.0 + (15.0 - 117_f64.sqrt()) / 27.0));
    // Higher than the last, if not than the first. In t, a ninth of α - 1: φ = -1 - 9t + 9.5t² by the values, and
    // with the slope -14.5t³ + 24t², whose minimizer is (48 - √738)/87.
    let mut search = begun(Cubic::new(), 0.0, -1.0, 0.0);
    tries(search.advance(s(1.0, -1.0, -1.0)), 10.0);
    let t = 0.5 * (9.0 / 19.0 + (48.0 - 738_f64.sqrt()) / 87.0);
    tries(search.advance(s(10.0, -0.5, -0.5)), 1.0 + 9.0 * t);
}

#[test]
fn a_length_is_accepted_where_value_and_slope_are_low_enough() {
    // σ = 0.3, φ(0) = 0, φ'(0) = -2: no higher than that and the noise, and |φ'| ≤ 0.6.
    let accepts = |value: f64, slope: f64, noise: f64| {
        begun(Cubic::new(), 0.0, -2.0, noise).advance(s(0.5, value, slope)) == Next::Accept
    };
    assert!(accepts(-1.0, 0.599, 0.0) && accepts(-1.0, -0.599, 0.0) && accepts(0.0, 0.0, 0.0));
    assert!(!accepts(-1.0, 0.601, 0.0) && !accepts(-1.0, -0.601, 0.0) && !accepts(1e-9, 0.0, 0.0));
    assert!(accepts(0.9e-3, 0.599, 1e-3) && accepts(0.9e-3, -0.599, 1e-3));
    assert!(!accepts(1.1e-3, 0.0, 1e-3) && !accepts(0.9e-3, 0.601, 1e-3));
    // A σ below 0.1 is for what still falls; what rises may do so by 0.1.
    let accepts = |slope: f64| {
        let search = Cubic::new().curvature(0.05);
        begun(search, 0.0, -2.0, 0.0).advance(s(0.5, -1.0, slope)) == Next::Accept
    };
    assert!(accepts(-0.099) && !accepts(-0.101) && accepts(0.199) && !accepts(0.201));
    // So does Moré and Thuente's, beyond whose c₁ = 1e-4 lies the noise.
    let accepts = |value: f64, noise: f64| {
        begun(MoreThuente::new(), 5.0, -2.0, noise).advance(s(0.5, value, 0.1)) == Next::Accept
    };
    assert!(accepts(4.9998, 0.0) && !accepts(4.99995, 0.0));
    assert!(accepts(5.0009, 1e-3) && !accepts(5.0011, 1e-3));
    // By slopes alone: |φ'| ≤ σ·2 and φ' ≤ 0.8·2.
    let accepts = |slope: f64| {
        let mut search = begun(Secant::new().curvature(0.9), 0.0, -2.0, 0.0);
        search.advance(s(0.5, NAN, slope)) == Next::Accept
    };
    assert!(accepts(-1.79) && !accepts(-1.81) && accepts(1.59) && !accepts(1.61));
}

#[test]
fn an_extrapolation_is_bounded_on_both_sides() {
    let search = || begun(Secant::new().curvature(0.1), NAN, -1.0, 0.0);
    tries(search().advance(s(1.0, NAN, -0.5)), 2.0); // where the line through -1 and -½ vanishes
    tries(search().advance(s(1.0, NAN, -0.2)), 1.33); // 1.25 is too near
    tries(search().advance(s(1.0, NAN, -0.99)), 10.0); // 100 is too far
    tries(search().advance(s(1.0, NAN, -2.0)), 10.0); // the line vanishes behind
    let mut twice = search();
    tries(twice.advance(s(1.0, NAN, -0.5)), 2.0);
    tries(twice.advance(s(2.0, NAN, -0.11)), 2.66); // 2.28 is too near, by a third of 2
    let mut near = begun(Secant::new().curvature(0.01), NAN, -1.0, 0.0);
    tries(near.advance(s(1.0, NAN, -0.05)), 1.33);
    tries(near.advance(s(1.33, NAN, -0.02)), 1.33 + 1.1 * 0.33); // 1.55 is too near, by the last way
    // As high as φ(0) is not higher: the line through the slopes leads on.
    let mut level = begun(Cubic::new(), 0.0, -1.0, 0.0);
    tries(level.advance(s(1.0, 0.0, -0.5)), 2.0);
}

#[test]
fn where_f_is_not_defined_a_tenth_is_tried_and_half_the_way_there_later() {
    let mut search = begun(Secant::new().curvature(0.1), NAN, -1.0, 0.0);
    tries(search.advance(s(4.0, NAN, NAN)), 0.4);
    tries(search.advance(s(0.4, NAN, -1.0)), 2.2); // 4 was too long: between
    tries(search.advance(s(2.2, NAN, f64::INFINITY)), 0.58); // a tenth of the way from 0.4
    let mut cubic = begun(Cubic::new(), 0.0, -1.0, 0.0);
    tries(cubic.advance(s(4.0, NAN, -0.1)), 0.4); // a value is wanted, too
    let mut more = begun(MoreThuente::new(), 0.0, -1.0, 0.0);
    tries(more.advance(s(4.0, f64::INFINITY, 0.0)), 0.4);
    tries(more.advance(s(0.4, -0.4, -1.0)), 0.5 * (0.4 + 4.0));
    let mut hager = begun(HagerZhang::new().curvature(0.1), 0.0, -1.0, 0.0);
    tries(hager.advance(s(4.0, NAN, NAN)), 0.4);
    tries(hager.advance(s(0.4, -0.4, -1.0)), 2.0); // five times as far is less than 4
    tries(hager.advance(s(2.0, -2.0, -1.0)), 3.0); // and here more
    tries(hager.advance(s(3.0, NAN, -1.0)), 2.1); // a tenth of the way from 2
    tries(more.advance(s(2.2, NAN, -1.0)), 0.4 + 0.1 * 1.8);
}

#[test]
fn an_interpolation_stays_inside_and_halves_what_shrinks_too_slowly() {
    let search = || begun(Secant::new().curvature(0.1), NAN, -1.0, 0.0);
    tries(search().advance(s(1.0, NAN, 1.0)), 0.5);
    tries(search().advance(s(1.0, NAN, 3.0)), 0.25);
    tries(search().advance(s(1.0, NAN, 1e6)), 0.005); // not nearer to an end than that
    tries(begun(Exact::new(), 0.0, -1e6, 0.0).advance(s(1.0, 0.0, 1.0)), 0.995);
    tries(search().advance(s(1e-9, NAN, 1.0)), 0.5e-9); // nor is an interval narrow that is short
    // Values that are equal tell nothing, and a search by slopes does not ask for them.
    tries(begun(Cubic::new(), 5.0, -1.0, 0.0).advance(s(1.0, 5.0, 3.0)), 0.25);
    tries(begun(Secant::new(), 0.0, -1.0, 0.0).advance(s(1.0, 1.0, 3.0)), 0.25);
    let mut slow = search();
    tries(slow.advance(s(1.0, NAN, 1e6)), 0.005);
    tries(slow.advance(s(0.005, NAN, -1.0)), 0.005 + 0.005 * 0.995);
    let second = 0.009975;
    tries(slow.advance(s(second, NAN, -1.0)), second + 0.005 * (1.0 - second));
    let third = second + 0.005 * (1.0 - second);
    tries(slow.advance(s(third, NAN, -1.0)), third + 0.5 * (1.0 - third));
}

#[test]
fn a_bracket_without_width_is_given_up_and_exact_takes_it() {
    // The two ends of an interval at the same place.
    let next = |search: &mut dyn LineSearch| {
        search.begin(s(0.0, 0.0, -1.0), 1.0, 0.0);
        tries(search.advance(s(1.0, 0.0, 1.0)), 0.5);
        search.advance(s(1.0, 0.0, -1.0))
    };
    assert_eq!(next(&mut Secant::new()), Next::Fail(NoLength::Precision));
    assert_eq!(next(&mut Exact::new()), Next::Accept);
}

#[test]
fn more_and_thuente_give_up_an_interval_of_two_roundings() {
    let mut search = begun(MoreThuente::new(), 0.0, -1.0, 0.0);
    let next = |search: &mut MoreThuente, place: f64, value: f64, slope: f64| {
        search.advance(s(4.0 + place * 4.0 * f64::EPSILON, value, slope))
    };
    assert!(matches!(next(&mut search, 0.0, -1.0, -0.95), Next::Try(_)));
    assert!(matches!(next(&mut search, 2.0, 1.0, 1.0), Next::Try(_)));
    assert_eq!(next(&mut search, 1.0, 1.0, 1.0), Next::Fail(NoLength::Precision));
}

#[test]
fn trials_are_counted() {
    // Slopes that never change: the search goes on and on, or stays between two.
    let count = |search: &mut dyn LineSearch, slope: f64, value: f64| {
        search.begin(s(0.0, 0.0, -1.0), 1.0, 0.0);
        let mut trials = 1;
        loop {
            match search.advance(s(1.0, value, slope)) {
                Next::Try(_) => trials += 1,
                Next::Fail(why) => return (trials, why),
                Next::Accept => panic!("{search:?}"),
            }
        }
    };
    let (nan, trials) = (NoLength::NonFinite, NoLength::Trials);
    assert_eq!(count(&mut Cubic::new(), NAN, NAN), (61, nan));
    assert_eq!(count(&mut MoreThuente::new(), NAN, NAN), (61, nan));
    assert_eq!(count(&mut HagerZhang::new(), NAN, NAN), (61, nan));
    assert_eq!(count(&mut Secant::new(), 5.0, NAN), (40, trials));
    assert_eq!(count(&mut MoreThuente::new(), 5.0, 1.0), (40, trials));
}

/// δ = 0.1, σ = 0.4, φ(0) = 5, φ'(0) = -2: at ½, φ ≤ 4.9, or φ ≤ 5 and φ' ≤ 1.6; and always φ' ≥ -0.8.
#[test]
fn hager_and_zhang_accept_by_the_value_or_by_the_slope() {
    let accepts = |value: f64, slope: f64, noise: f64| {
        let search = HagerZhang::new().curvature(0.4);
        begun(search, 5.0, -2.0, noise).advance(s(0.5, value, slope)) == Next::Accept
    };
    assert!(accepts(4.899, 3.0, 0.0) && !accepts(4.901, 3.0, 0.0));
    assert!(accepts(5.0, 1.59, 0.0) && !accepts(4.95, 1.61, 0.0));
    assert!(accepts(4.0, -0.79, 0.0) && !accepts(4.0, -0.81, 0.0));
    assert!(accepts(5.0009, 0.0, 1e-3) && !accepts(5.0011, 0.0, 1e-3));
}

#[test]
fn hager_and_zhang_halve_the_way_to_a_point_that_is_high_and_falls() {
    let search = || begun(HagerZhang::new().curvature(0.4), 0.0, -1.0, 0.0);
    let mut one = search();
    tries(one.advance(s(1.0, 1.0, -0.5)), 0.5);
    tries(one.advance(s(0.5, 1.0, -0.5)), 0.25);
    tries(one.advance(s(0.25, -0.1, -0.9)), 0.375);
    tries(one.advance(s(0.375, 1.0, -0.5)), 0.3125);
    // It rises: a secant between -0.9 and 5.
    tries(one.advance(s(0.3125, 1.0, 5.0)), (0.25 * 5.0 + 0.3125 * 0.9) / 5.9);
    let mut other = search();
    tries(other.advance(s(1.0, -1.0, -0.9)), 5.0);
    tries(other.advance(s(5.0, 1.0, -0.9)), 3.0);
}

#[test]
fn a_share_of_the_slope_that_is_none_becomes_the_nearest() {
    fn accepts<L: LineSearch>(search: L, slope: f64) -> bool {
        begun(search, 0.0, -1.0, 0.0).advance(s(0.5, -1.0, slope)) == Next::Accept
    }
    // The largest is just below 1.
    for (slope, expected) in [(-0.999, true), (-1.0, false)] {
        assert_eq!(accepts(Cubic::new().curvature(2.0), slope), expected);
        assert_eq!(accepts(Secant::new().curvature(2.0), slope), expected);
        assert_eq!(accepts(MoreThuente::new().curvature(2.0), slope), expected);
        assert_eq!(accepts(HagerZhang::new().curvature(2.0), slope), expected);
    }
    for (slope, expected) in [(-0.9e-3, true), (-1.1e-3, false)] {
        assert_eq!(accepts(Cubic::new().curvature(0.0), slope), expected);
        assert_eq!(accepts(MoreThuente::new().curvature(0.0), slope), expected);
    }
    for (slope, expected) in [(-0.099, true), (-0.101, false)] {
        assert_eq!(accepts(HagerZhang::new().curvature(0.0), slope), expected);
    }
    for (slope, expected) in [(0.0, true), (-1e-15, false)] {
        assert_eq!(accepts(Secant::new().curvature(0.0), slope), expected);
    }
}

#[test]
fn a_round_of_hager_and_zhang_begins_in_the_middle_where_the_secant_leads_out() {
    let search = || begun(HagerZhang::new().curvature(0.4), 0.0, -1.0, 0.0);
    // A slope of 0 that is high: the line vanishes at the end itself.
    let mut flat = search();
    tries(flat.advance(s(2.0, 1.0, 0.0)), 1.0);
    let mut second = search();
    tries(second.advance(s(2.0, 1.0, 3.0)), 0.5);
    tries(second.advance(s(0.5, 1.0, 0.0)), 0.25);
    // From 1 to 5 to 6.5/2.9; that has shrunk enough, so another round begins.
    let mut third = search();
    tries(third.advance(s(1.0, -1.0, -0.9)), 5.0);
    tries(third.advance(s(5.0, 1.0, 2.0)), 6.5 / 2.9);
    let at = 6.5 / 2.9;
    tries(third.advance(s(at, 1.0, 1.9)), (1.9 + 0.9 * at) / 2.8);
}

#[test]
fn hager_and_zhang_give_up_where_no_number_lies_between() {
    for (low, high) in [(1.0, 1.0 + f64::EPSILON), (1.0 + f64::EPSILON, 1.0 + 2.0 * f64::EPSILON)] {
        let mut search = begun(HagerZhang::new().curvature(0.4), 0.0, -1.0, 0.0);
        tries(search.advance(s(low, -1.0, -0.9)), 5.0 * low);
        assert_eq!(search.advance(s(high, 1.0, -0.5)), Next::Fail(NoLength::Precision));
    }
}

/// A value whose threefold is no number any more makes a cubic that has no minimizer: half of the way to it is tried.
#[test]
fn more_and_thuente_try_the_middle_where_an_interpolation_overflows() {
    let mut search = begun(MoreThuente::new(), 0.0, -1.0, 0.0);
    tries(search.advance(s(3.0, 1e308, 1e308)), 1.5);
    // Lower than 0 and falling, so the best point is 1.5 now.
    assert!(
        matches!(search.advance(s(1.5, -1.0, -0.95)), Next::Try(next) if 1.5 < next && next < 3.0)
    );
    tries(search.advance(s(2.0, 1e308, 1e308)), 1.75);
}
